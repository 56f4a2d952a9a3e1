"""What smol, an inverter of ``vicinal`` on SmolLM2, has learned: see README.md beside this file."""
