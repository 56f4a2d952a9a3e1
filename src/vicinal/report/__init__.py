"""What a synthetic table kept of the real one."""

from vicinal.report.fidelity import ColumnFidelity, Fidelity, compare

__all__ = ["ColumnFidelity", "Fidelity", "compare"]
