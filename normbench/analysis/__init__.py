"""Run folders -> statistics -> a comparison: pure numbers, no torch."""
