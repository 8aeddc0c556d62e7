"""Many runs from one YAML: `sweep` spans a grid of configs, `exclude` leaves out cells, `tune` tries settings first.

load.py: load_experiment, the way in; sections.py takes the three keys out of the files; axes.py reads the swept keys
and their values; cells.py forms their product; tune.py draws the points that tuning tries.
"""
