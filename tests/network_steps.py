"""Steps of a network and of the accelerated one, held to the same numbers in float64."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.kernels import accelerate
from normbench.models.dropout import dropouts_of, seed_dropouts


def autocast(precision: str) -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)


def trained(network: nn.Module, called: nn.Module, images: Tensor, precision: str) -> list[Tensor]:
    """Two steps and an evaluation: outputs, gradients, and what the network stores."""
    outputs = []
    for step in range(2):
        seed_dropouts(dropouts_of(network), step)
        network.zero_grad()
        with autocast(precision):
            logits = called(images)
        F.cross_entropy(logits.float(), torch.arange(len(images)) % logits.shape[1]).backward()
        outputs.append(logits.detach().float())
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    network.eval()
    with torch.no_grad(), autocast(precision):
        outputs.append(called(images).float())
    network.train()
    return [*outputs, *gradients, *(buffer.clone() for buffer in network.buffers())]


def assert_alike(found: list[Tensor], expected: list[Tensor], exact: list[Tensor]) -> None:
    """No farther from the numbers of float64 than twice what the plain network is, tensor by tensor.

    Gradients that are 0 but for rounding, such as of a bias in front of a norm, are compared with the largest one.
    """
    assert len(found) == len(expected) == len(exact)
    scale = max(tensor.double().norm().item() for tensor in exact[3:])
    for one, other, true in zip(found, expected, exact, strict=True):
        errors = [(tensor.double() - true.double()).norm().item() for tensor in (one, other)]
        assert errors[0] <= 2 * errors[1] + 1e-5 * true.double().norm().item() + 1e-3 * scale


def compare(network: nn.Module, images: Tensor, precision: str) -> None:
    """Asserts that the accelerated network is as near to float64 as the plain one is."""
    twin, exact = deepcopy(network), deepcopy(network).double()
    found = trained(twin, accelerate(twin), images, precision)
    assert_alike(found, trained(network, network, images, precision), trained(exact, exact, images.double(), "fp32"))
