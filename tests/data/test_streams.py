"""Random streams are told apart by every argument, and stay the same."""

import torch

from normbench.data.streams import stream, stream_seed


def test_streams_differ_in_every_argument_and_are_stable():
    keys = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, "a", 0, 0), (0, "a", 1, 23), (0, "a", 12, 3)]
    assert len({stream_seed(*key) for key in keys}) == len(keys)
    assert len({tuple(torch.randint(1000, (8,), generator=stream(*key)).tolist()) for key in keys}) == len(keys)
    assert all(0 <= stream_seed(*key) < 2**63 for key in keys)
    # blake2b-64 of '[0, "augment", 3, 17]', big endian, without its last bit: old runs must resume on new code.
    assert stream_seed(0, "augment", 3, 17) == 8565071629824489244


def test_neighbouring_streams_are_uncorrelated():
    draws = torch.stack([torch.rand(2000, generator=stream(0, "augment", step)) for step in range(20)])
    off_diagonal = torch.corrcoef(draws) - torch.eye(20)
    assert off_diagonal.abs().max() < 0.1
