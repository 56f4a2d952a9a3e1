"""Tables larger than memory."""

from vicinal._lazy import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "chunks": ["Chunk", "make_chunk", "output_schema", "plan_chunks"],
        "fit": ["Summary", "fit_stream", "learn", "plan_fit", "summarise"],
        "output": ["Staging", "write_part"],
        "run": ["Streamed", "sample_stream", "stream_table"],
        "source": ["Part", "Source", "find_source"],
    },
)
