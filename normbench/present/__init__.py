"""A comparison, a run -> tables and pictures."""
