"""Sweeps: what is to be trained, in which order, and what to train next after what was found."""
