from .augmenter import MixupAugmenter as MixupAugmenter
from .sampler import MixupSampler as MixupSampler
