"""The command line: one thin command for each job."""

from vicinal.cli import reports, tables, train
from vicinal.cli.app import app, main

__all__ = ["app", "main", "reports", "tables", "train"]
