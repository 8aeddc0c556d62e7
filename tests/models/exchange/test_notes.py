"""Lines about what is unusual in an exchanged network."""

import re

import pytest
from torch import Tensor, nn

from normbench.models.exchange import exchange
from normbench.norms import NORM_REGISTRY

CONV = nn.Conv2d(3, 8, 3, bias=False)


class OwnNorm(nn.Module):
    """A norm by hand, which nothing exchanges."""

    def forward(self, x: Tensor) -> Tensor:
        return x / x.square().mean((1, 2, 3), keepdim=True).sqrt()


@pytest.mark.parametrize(
    ("layers", "kind", "options", "expected"),
    [
        ([nn.BatchNorm2d(8)], "gn", {"num_groups": 8}, ["instance norm: 1"]),
        ([nn.BatchNorm2d(8)], "gn", {"num_groups": 4}, []),
        ([nn.BatchNorm2d(8)], "ln", {}, []),
        ([nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8)], "gn", {"num_groups": 8}, ["instance norm: 2", "values.*: 2"]),
        ([nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8)], "bn", {}, []),
        ([nn.InstanceNorm2d(8)], "bn", {}, ["affine.*: 1"]),
        ([nn.InstanceNorm2d(8)], "bn", {"affine": False}, []),
        ([nn.BatchNorm2d(8)], "none", {}, ["bias.*: 0"]),
        ([nn.BatchNorm2d(8)], "rms", {}, ["bias.*: 0"]),
        ([nn.BatchNorm2d(8), OwnNorm()], "gn", {}, ["stay as they are: 2"]),
    ],
)
def test_what_is_unusual_is_said_with_its_layers(
    layers: list[nn.Module], kind: str, options: dict[str, object], expected: list[str]
) -> None:
    network = nn.Sequential(CONV, *layers)
    found = exchange(network, NORM_REGISTRY[kind](**options)[0], (3, 8, 8)).warnings
    assert len(found) == len(expected)
    for line, pattern in zip(found, expected, strict=True):
        assert re.search(pattern, line)
