"""The pages of a report, of collapse and of tuning."""

from pathlib import Path

__all__ = ["TEMPLATES"]

#: Where their templates lie.
TEMPLATES = Path(__file__).parent / "templates"
