from vicinal.text.classify.classifier import MixupTextClassifier as MixupTextClassifier
from vicinal.text.classify.comparison import Comparison as Comparison
from vicinal.text.classify.comparison import compare_methods as compare_methods
from vicinal.text.classify.comparison import split_texts as split_texts
from vicinal.text.encoder import Encoder as Encoder
from vicinal.text.models import resolve_model as resolve_model
