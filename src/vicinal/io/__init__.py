"""Tables from files and to files, whole or not at all."""

from vicinal.io.atomic import check_file, replacing, same_file, together
from vicinal.io.dialect import Dialect, dialect_of
from vicinal.io.tables import (
    SUFFIXES,
    check_output,
    output_format,
    read_table,
    write_table,
)

__all__ = [
    "SUFFIXES",
    "Dialect",
    "check_file",
    "check_output",
    "dialect_of",
    "output_format",
    "read_table",
    "replacing",
    "same_file",
    "together",
    "write_table",
]
