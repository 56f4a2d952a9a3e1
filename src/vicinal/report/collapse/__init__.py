"""Collapse: what is left when each generation is made from the one before."""
