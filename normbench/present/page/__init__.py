"""A comparison as one HTML page, which needs no network and no script."""
