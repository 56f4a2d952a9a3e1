"""Collapse: what is left when each generation is made from the one before."""

from vicinal.report.collapse.measure import Collapse, CollapseCurve, measure_collapse

__all__ = ["Collapse", "CollapseCurve", "measure_collapse"]
