"""Two splits of a few random images, without a source."""

import torch

from normbench.data.dataset import RawData, Split

NAMES = ("a", "bé")


def make_raw(seed: int = 0) -> RawData:
    """12 train and 6 test images of two classes."""
    generator = torch.Generator().manual_seed(seed)
    train, test = (
        Split(torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator), torch.arange(n) % 2)
        for n in (12, 6)
    )
    return RawData(train, test, NAMES)
