from .augmenter import MixupAugmenter as MixupAugmenter
from .estimators import MixupClassifier as MixupClassifier
from .estimators import MixupRegressor as MixupRegressor
from .prior import PriorCorrectedClassifier as PriorCorrectedClassifier
from .sampler import MixupSampler as MixupSampler
