"""Settings of the synthesizer, tried on a table."""

from vicinal.report.tune.measure import Front, Setting, tune

__all__ = ["Front", "Setting", "tune"]
