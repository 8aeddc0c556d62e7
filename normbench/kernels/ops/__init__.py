"""The ops: each module describes what its C++ file in csrc/ computes. None where the kernels do not cover a shape."""
