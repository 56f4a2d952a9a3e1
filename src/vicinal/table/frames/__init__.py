"""Any table to Arrow, and back to what it was."""

from vicinal.table.frames.convert import METADATA_KEY, to_arrow, to_native

__all__ = ["METADATA_KEY", "to_arrow", "to_native"]
