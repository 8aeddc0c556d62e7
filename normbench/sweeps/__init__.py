"""Sweeps: which runs to train, in which order and where, and what to train next by the results so far."""
