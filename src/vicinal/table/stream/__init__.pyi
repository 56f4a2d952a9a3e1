from .fit import fit_stream as fit_stream
from .run import Streamed as Streamed
from .run import sample_stream as sample_stream
from .run import stream_table as stream_table
