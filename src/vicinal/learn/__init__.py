"""Over-sampling for scikit-learn and imbalanced-learn: classes and continuous targets."""

from vicinal.learn.estimators import MixupAugmenter, MixupSampler

__all__ = ["MixupAugmenter", "MixupSampler"]
