"""Independent random streams, each named by (seed, purpose, indices).

A stream is a function of its name: no generator state is carried through a run or stored in a checkpoint. So a run can
resume at any step, and a change in one consumer, such as augmentation, leaves the draws of all others as they are.
"""

import hashlib
import json

import torch


def stream_seed(seed: int, name: str, *indices: int) -> int:
    """The seed in 0..2**63-1 of a stream, e.g. `stream_seed(0, "augment", epoch, step)`: a hash of all arguments."""
    # JSON keeps (1, 23) and (12, 3) apart, and the same text comes out on every Python.
    text = json.dumps([seed, name, *indices])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def stream(seed: int, name: str, *indices: int) -> torch.Generator:
    """A new CPU generator at the beginning of a stream; the same arguments always give the same draws.

    torch's CPU generator reads only the lower 32 bits of a seed: two streams coincide with probability 2**-32.
    """
    return torch.Generator().manual_seed(stream_seed(seed, name, *indices))
