"""Arrays -> PNG and SVG."""
