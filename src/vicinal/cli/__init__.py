"""The command line: one thin command for each job."""

from vicinal.cli import demo, reports, studio, tables, texts, train
from vicinal.cli.app import app, main

__all__ = ["app", "demo", "main", "reports", "studio", "tables", "texts", "train"]
