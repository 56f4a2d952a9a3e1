from vicinal.text.classifier import MixupTextClassifier as MixupTextClassifier
from vicinal.text.comparison import Comparison as Comparison
from vicinal.text.comparison import compare_methods as compare_methods
from vicinal.text.comparison import split_texts as split_texts
from vicinal.text.encoder import Encoder as Encoder
from vicinal.text.models import resolve_model as resolve_model
