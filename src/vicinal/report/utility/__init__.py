"""Utility: how well models learn from synthetic rows."""

from vicinal.report.utility.measure import Utility, UtilityScore, measure_utility

__all__ = ["Utility", "UtilityScore", "measure_utility"]
