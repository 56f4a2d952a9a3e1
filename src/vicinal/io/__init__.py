"""Tables from files and to files, whole or not at all."""

from vicinal.io.tables import (
    SUFFIXES,
    check_folder,
    check_output,
    output_format,
    read_table,
    replacing,
    write_table,
)

__all__ = [
    "SUFFIXES",
    "check_folder",
    "check_output",
    "output_format",
    "read_table",
    "replacing",
    "write_table",
]
