"""Tune: settings of the synthesizer, tried on a table."""
