"""Fidelity: how similar to the real table a synthetic one is."""
