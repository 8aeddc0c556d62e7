"""Independent random streams, named instead of carried.

A stream is found again from (seed, name, indices) alone: no generator state travels through a run or its checkpoint,
so a run can resume at any step, and changing what one consumer draws (say, augmentation) leaves all others alone.
"""

import hashlib
import json

import torch


def stream_seed(seed: int, name: str, *indices: int) -> int:
    """A seed in 0..2**63-1 for one purpose, e.g. `stream_seed(0, "augment", epoch, step)`: a hash of all arguments."""
    # JSON keeps (1, 23) and (12, 3) apart, and the same text comes out on every Python.
    text = json.dumps([seed, name, *indices])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def stream(seed: int, name: str, *indices: int) -> torch.Generator:
    """A CPU generator of its own for one purpose; the same arguments always give the same draws.

    torch's CPU generator reads only the lower 32 bits of a seed, so two given streams coincide with probability 2**-32.
    """
    return torch.Generator().manual_seed(stream_seed(seed, name, *indices))
