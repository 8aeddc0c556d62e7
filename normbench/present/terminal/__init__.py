"""Live progress and panels on a terminal."""
