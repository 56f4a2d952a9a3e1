"""Tables from files and to files, whole or not at all."""

from vicinal.io.atomic import check_file, replacing
from vicinal.io.tables import (
    SUFFIXES,
    check_output,
    find_separator,
    output_format,
    read_table,
    write_table,
)

__all__ = [
    "SUFFIXES",
    "check_file",
    "check_output",
    "find_separator",
    "output_format",
    "read_table",
    "replacing",
    "write_table",
]
