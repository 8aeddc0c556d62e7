"""Run folders -> a comparison of norms."""
