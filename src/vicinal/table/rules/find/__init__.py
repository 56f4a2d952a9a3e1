"""Rules that hold in every training row, with enough evidence that chance is no explanation."""

from vicinal.table.rules.find.sums import find_rules

__all__ = ["find_rules"]
