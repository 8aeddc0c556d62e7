"""Figures: arrays and labels in, figures out, which are saved as PNG, SVG or PDF. No run or record is known here."""
