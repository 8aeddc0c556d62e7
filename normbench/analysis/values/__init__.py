"""Anybody's numbers: a table of values by arm and seed -> arms and pairs, judged as runs of normbench are."""
