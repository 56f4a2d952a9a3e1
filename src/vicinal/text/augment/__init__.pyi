from .augmented import Augmented as Augmented
from .augmenting import augment as augment
from .interpolate import Morph as Morph
from .interpolate import morph as morph
from .intrusion import Intrusion as Intrusion
from .intrusion import Rate as Rate
from .intrusion import measure_intrusion as measure_intrusion
from .ratio import measure_ratio as measure_ratio
