"""Mixing while a neural network trains: hidden states, batches, losses, a trainer.

Everything but :class:`MixupConfig` needs torch, and :class:`MixupTrainer` needs transformers:
``pip install 'vicinal[text]'``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
