from ._stats import Estimate as Estimate
from .pairing.base import Pairing as Pairing
from .pairing.distance import Farthest as Farthest
from .pairing.distance import Nearest as Nearest
from .pairing.groups import AcrossGroup as AcrossGroup
from .pairing.groups import WithinGroup as WithinGroup
from .pairing.permutation import LocalPermutation as LocalPermutation
from .pairing.permutation import Permutation as Permutation
from .pairing.permutation import Random as Random
from .pairing.target import NearTarget as NearTarget
from .plan import MixPlan as MixPlan
from .plan import make_plan as make_plan
from .weights import Beta as Beta
from .weights import EpBeta as EpBeta
from .weights import Fixed as Fixed
from .weights import SphereWeights as SphereWeights
from .weights import Uniform as Uniform
from .weights import WeightLaw as WeightLaw
from .weights import parse_law as parse_law

__version__: str
