"""New sentences between two: mixed embeddings, written out by an inverter, and what they are worth.

:func:`augment` makes labelled rows, :func:`morph` shows the way from one sentence to another.
:func:`measure_ratio` says how much of a parent is in a sentence, :func:`measure_intrusion` how
often a sentence is not what its label says.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
