"""Pairings: who mixes with whom.

A pairing answers for output positions. Position ``t`` of a plan belongs to left row ``t`` modulo
the number of rows, round after round; the pairing adds the partners. Permutation pairings make
the partners of a round, taken together, distributed exactly as the data: with a law that
preserves covariance, any of them keeps it, near or far (see ``docs/theory.md``).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
