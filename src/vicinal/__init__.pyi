from vicinal.distant import (
    AcrossGroup as AcrossGroup,
)
from vicinal.distant import (
    Farthest as Farthest,
)
from vicinal.distant import (
    Nearest as Nearest,
)
from vicinal.pairing import (
    LocalPermutation as LocalPermutation,
)
from vicinal.pairing import (
    Neighbourhood as Neighbourhood,
)
from vicinal.pairing import (
    Pairing as Pairing,
)
from vicinal.pairing import (
    Permutation as Permutation,
)
from vicinal.pairing import (
    Random as Random,
)
from vicinal.pairing import (
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
