"""Privacy: how near synthetic rows stay to the rows that they were made from."""

from vicinal.report.privacy.measure import DistanceCurves, Privacy, measure_privacy

__all__ = ["DistanceCurves", "Privacy", "measure_privacy"]
