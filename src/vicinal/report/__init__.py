"""What a synthetic table kept, what it gives away, and what it is good for."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
