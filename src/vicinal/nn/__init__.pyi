from vicinal.nn.batches import MixupCollator as MixupCollator
from vicinal.nn.batches import PairBatchSampler as PairBatchSampler
from vicinal.nn.config import Mixup as Mixup
from vicinal.nn.hidden import HiddenMixup as HiddenMixup
from vicinal.nn.loss import MixedTarget as MixedTarget
from vicinal.nn.loss import soft_cross_entropy as soft_cross_entropy
from vicinal.nn.trainer import MixupTrainer as MixupTrainer
