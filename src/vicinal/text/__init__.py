"""Texts: encoders, classifiers that mix while they train, and mixtures that a person can read.

Everything here needs torch and transformers: ``pip install 'vicinal[text]'``.
"""

import lazy_loader

from vicinal._extras import explained

_get, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = explained(_get)
