from ._stats import Estimate as Estimate
from .pairing.distant import AcrossGroup as AcrossGroup
from .pairing.distant import Farthest as Farthest
from .pairing.distant import Nearest as Nearest
from .pairing.permutations import LocalPermutation as LocalPermutation
from .pairing.permutations import Neighborhood as Neighborhood
from .pairing.permutations import Pairing as Pairing
from .pairing.permutations import Permutation as Permutation
from .pairing.permutations import Random as Random
from .pairing.permutations import WithinGroup as WithinGroup
from .plan import MixPlan as MixPlan
from .plan import make_plan as make_plan
from .weights import Beta as Beta
from .weights import EpBeta as EpBeta
from .weights import Fixed as Fixed
from .weights import SphereWeights as SphereWeights
from .weights import Uniform as Uniform
from .weights import WeightLaw as WeightLaw

__version__: str
