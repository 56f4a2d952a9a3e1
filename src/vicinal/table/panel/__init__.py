"""Tables whose rows belong to entities, or to one long series: found, laid out and mixed."""
