from vicinal.pairing.distant import (
    AcrossGroup as AcrossGroup,
)
from vicinal.pairing.distant import (
    Farthest as Farthest,
)
from vicinal.pairing.distant import (
    Nearest as Nearest,
)
from vicinal.pairing.permutations import (
    LocalPermutation as LocalPermutation,
)
from vicinal.pairing.permutations import (
    Neighbourhood as Neighbourhood,
)
from vicinal.pairing.permutations import (
    Pairing as Pairing,
)
from vicinal.pairing.permutations import (
    Permutation as Permutation,
)
from vicinal.pairing.permutations import (
    Random as Random,
)
from vicinal.pairing.permutations import (
    WithinGroup as WithinGroup,
)
from vicinal.plan import MixPlan as MixPlan
from vicinal.plan import make_plan as make_plan
from vicinal.weights import (
    Beta as Beta,
)
from vicinal.weights import (
    EpBeta as EpBeta,
)
from vicinal.weights import (
    Fixed as Fixed,
)
from vicinal.weights import (
    SphereWeights as SphereWeights,
)
from vicinal.weights import (
    Uniform as Uniform,
)
from vicinal.weights import (
    WeightLaw as WeightLaw,
)

__version__: str
