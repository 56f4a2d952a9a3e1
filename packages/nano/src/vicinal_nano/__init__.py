"""Weights of nano, the small English inverter of ``vicinal``: see README.md beside this file."""
