"""Fidelity: how similar to the real table a synthetic one is."""

from vicinal.report.fidelity.columns import ColumnFidelity, Marginal, ks_distance
from vicinal.report.fidelity.measure import Fidelity, compare, measure_fidelity
from vicinal.report.fidelity.moments import Moment, Moments
from vicinal.report.fidelity.pairs import Association, PairFidelity
from vicinal.report.fidelity.twosample import TwoSample

__all__ = [
    "Association",
    "ColumnFidelity",
    "Fidelity",
    "Marginal",
    "Moment",
    "Moments",
    "PairFidelity",
    "TwoSample",
    "compare",
    "ks_distance",
    "measure_fidelity",
]
