"""Utility: how well models learn from synthetic rows."""
