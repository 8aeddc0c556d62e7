"""Many runs from one YAML: axes, ranges, tuning, seeds."""
