"""The formats of a table: one module for each kind."""
