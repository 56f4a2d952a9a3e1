"""Pairings: who mixes with whom.

The partners of a permutation pairing, taken together, are distributed exactly as the data: with
a law that preserves covariance, any of them keeps it, near or far (see ``docs/theory.md``).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
