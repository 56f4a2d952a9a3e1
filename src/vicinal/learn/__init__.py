"""For scikit-learn and imbalanced-learn: over-sampling, its probabilities, and mixed vectors."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
