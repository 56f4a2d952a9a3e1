from .presets import PRIVACY as PRIVACY
from .schema import KINDS as KINDS
from .schema import Column as Column
from .schema import detect_columns as detect_columns
from .stream.fit import fit_stream as fit_stream
from .stream.run import sample_stream as sample_stream
from .stream.run import stream_table as stream_table
from .synthesizer import TableSynthesizer as TableSynthesizer
