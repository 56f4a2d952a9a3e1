"""Over-sampling for scikit-learn and imbalanced-learn: classes and continuous targets."""

from vicinal.table.sampler.estimators import MixupAugmenter, MixupSampler

__all__ = ["MixupAugmenter", "MixupSampler"]
