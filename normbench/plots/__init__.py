"""Figures: arrays and labels in, PNG and SVG files out. Nothing here knows a run, a record or a comparison."""
