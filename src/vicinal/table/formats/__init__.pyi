from .base import Format as Format
from .find import find_format as find_format
from .find import parse_format as parse_format
from .personal import Personal as Personal
from .personal import find_personal as find_personal
from .surrogates import SurrogateMaker as SurrogateMaker
