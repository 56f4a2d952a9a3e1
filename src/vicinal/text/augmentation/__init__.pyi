from vicinal.text.augmentation.augmented import Augmented as Augmented
from vicinal.text.augmentation.augmenting import augment as augment
from vicinal.text.augmentation.intrusion import Intrusion as Intrusion
from vicinal.text.augmentation.intrusion import Rate as Rate
from vicinal.text.augmentation.intrusion import measure_intrusion as measure_intrusion
from vicinal.text.augmentation.morphing import Morph as Morph
from vicinal.text.augmentation.morphing import morph as morph
from vicinal.text.augmentation.ratio import measure_ratio as measure_ratio
