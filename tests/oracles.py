"""The norms written as their formulas, for tests in float64: `FORMULAS[name](x, parameters)` in training mode."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

EPS = 1e-3  # large enough that a layer which ignores it fails
NUM_GROUPS, GHOST_SIZE = 2, 2
OPTIONS: Mapping[str, Mapping[str, object]] = {
    "gn": {"num_groups": NUM_GROUPS},
    "gbn": {"ghost_size": GHOST_SIZE},
    "evo-s0": {"num_groups": NUM_GROUPS},
}
"""What the formulas assume, beside eps."""

Parameters = Mapping[str, Tensor]
Formula = Callable[[Tensor, Parameters], Tensor]


def options_for(kind: str) -> dict[str, object]:
    """The options with which a norm computes its formula here."""
    return dict(OPTIONS.get(kind, {})) | ({} if kind in ("dyt", "none") else {"eps": EPS})


def standardized(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """(x − μ) / sqrt(σ² + eps), with μ and the biased σ² over the axes."""
    centered = x - x.mean(axes, keepdim=True)
    return centered / (centered.square().mean(axes, keepdim=True) + EPS) ** 0.5


def over(*axes: int) -> Formula:
    return lambda x, p: p["weight"] * standardized(x, axes) + p["bias"]


def groups(x: Tensor, p: Parameters) -> Tensor:
    grouped = standardized(x.unflatten(1, (NUM_GROUPS, -1)), (2, 3, 4))
    return p["weight"] * grouped.flatten(1, 2) + p["bias"]


def ghosts(x: Tensor, p: Parameters) -> Tensor:
    return torch.cat([over(0, 2, 3)(part, p) for part in x.split(GHOST_SIZE)])


def rms(x: Tensor, p: Parameters) -> Tensor:
    return p["weight"] * x / ((x**2).sum(1, keepdim=True) / x.shape[1] + EPS) ** 0.5


def frn(x: Tensor, p: Parameters) -> Tensor:
    filter_response = x / ((x**2).sum((2, 3), keepdim=True) / x.shape[2:].numel() + EPS) ** 0.5
    return torch.maximum(p["weight"] * filter_response + p["bias"], p["tau"])


def evo_s0(x: Tensor, p: Parameters) -> Tensor:
    grouped = x.unflatten(1, (NUM_GROUPS, -1))
    variance = ((grouped - grouped.mean((2, 3, 4), keepdim=True)) ** 2).mean((2, 3, 4), keepdim=True)
    std = ((variance + EPS) ** 0.5).expand_as(grouped).reshape(x.shape)
    return x / (1 + (-p["v"] * x).exp()) / std * p["weight"] + p["bias"]


def dyt(x: Tensor, p: Parameters) -> Tensor:
    return p["weight"] * torch.tanh(p["alpha"] * x) + p["bias"]


FORMULAS: Mapping[str, Formula] = {
    "bn": over(0, 2, 3),
    "gn": groups,
    "ln": over(1, 2, 3),
    "ln-chw": over(1, 2, 3),
    "ln-c": over(1),
    "rms": rms,
    "in": over(2, 3),
    "gbn": ghosts,
    "brn": over(0, 2, 3),  # in the first steps
    "pn": over(0, 2, 3),
    "frn": frn,
    "evo-s0": evo_s0,
    "dyt": dyt,
    "none": lambda x, p: x,
}


def for_formula(parameters: Mapping[str, Tensor]) -> Parameters:
    """The parameters of a layer, each [C] as [C, 1, 1]."""
    return {
        name: value if value.dim() > 1 or value.numel() == 1 else value[:, None, None]
        for name, value in parameters.items()
    }


def randomize(layer: nn.Module) -> None:
    """Draws all parameters of the layer."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
