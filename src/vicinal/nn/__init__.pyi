from .batches import MixupBatch as MixupBatch
from .batches import MixupCollator as MixupCollator
from .batches import PairBatchSampler as PairBatchSampler
from .config import MixupConfig as MixupConfig
from .hidden import HiddenMixup as HiddenMixup
from .loss import MixedTarget as MixedTarget
from .loss import soft_cross_entropy as soft_cross_entropy
from .trainer import MixupTrainer as MixupTrainer
