"""Tables from files and to files, whole or not at all."""

from vicinal.table.files.whole import (
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
