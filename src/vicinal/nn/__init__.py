"""Mixing while a neural network trains: hidden states, batches, losses, a trainer.

Everything but :class:`MixupConfig` needs torch, and :class:`MixupTrainer` needs transformers:
``pip install 'vicinal[text]'``.
"""

import lazy_loader

from vicinal._extras import explained

_get, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = explained(_get)
