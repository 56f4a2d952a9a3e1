from .base import Pairing as Pairing
from .distance import Farthest as Farthest
from .distance import Nearest as Nearest
from .groups import AcrossGroup as AcrossGroup
from .groups import WithinGroup as WithinGroup
from .permutation import LocalPermutation as LocalPermutation
from .permutation import Permutation as Permutation
from .permutation import Random as Random
