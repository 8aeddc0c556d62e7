"""Lowerings: functions from a layer of PyTorch's or of normbench's to an op. `lowering.LOWERINGS` is their table."""
