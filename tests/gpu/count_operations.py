"""Counts what a GPU has to be told in one training step, on a machine without one: operations of PyTorch's layers, with
weights cast one by one and in one call, and what `torch.compile` makes of them.

    python -m tests.gpu.count_operations

An operation is a kernel of a GPU or a few; one that only makes a view or takes memory does not count. Compiled code
counts its fused kernels and its calls of libraries, as torch's compiler generates them for a CPU.
"""

import argparse
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor.utils import run_and_get_code
from torch.utils._python_dispatch import TorchDispatchMode

from normbench.config import Choice, Config
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.kernels.library import without_kernels
from normbench.models.task import CIFAR10
from normbench.norms import norm_label
from normbench.runs.build import build_network, build_optimizer
from normbench.train.casts import CastAtOnce
from normbench.train.passes import WAYS
from normbench.train.setting import Setting

NO_WORK = ("empty", "promote_types", "as_strided", "detach", "lift_fresh", "alias")
CALL = re.compile(r"^ +(?:\w+ = )?(?:cpp_\w+|extern_kernels\.\w+|torch\.ops\.(?!.*empty)[\w.]+)\(", re.MULTILINE)
"""A line of generated code that computes."""

SETTING = Setting(torch.device("cpu"), "bf16", normalization=CIFAR10_CONSTANTS)
COMPILED = Setting(SETTING.device, "bf16", normalization=CIFAR10_CONSTANTS, engine="compile")


class Operations(TorchDispatchMode):
    """Counts the operations that compute."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view and not any(word in str(func) for word in NO_WORK)
        return func(*args, **(kwargs or {}))


def num_operations(work: Callable[[], object]) -> int:
    """Of the second call: the first one makes what later ones use again."""
    work()
    with Operations() as operations:
        work()
    return operations.count


def num_compiled(work: Callable[[], object]) -> int:
    _, codes = run_and_get_code(work)
    return sum(len(CALL.findall(code)) for code in codes)


def forward_and_backward(network: CastAtOnce, inputs: Tensor) -> None:
    with SETTING.autocast():
        logits = network(inputs)
    torch.autograd.grad(logits.sum(), [network.leaf(parameter) for parameter in network.network.parameters()])


def counts(norm: str, seeds: int, batch_size: int) -> list[int]:
    """Passes of one run, weights cast one by one, at once, compiled; passes of `seeds`, wide; the optimizer's step."""
    config = Config(norm=Choice(norm))
    images = torch.zeros(seeds, batch_size, *CIFAR10.image_shape, dtype=torch.uint8)
    labels = torch.zeros(seeds, batch_size, dtype=torch.int64)

    def built() -> nn.Module:
        network: nn.Module = build_network(config, CIFAR10).train().to(memory_format=SETTING.memory_format)
        return network

    def passes(way: str, number: int, setting: Setting, *, at_once: bool) -> Callable[[], object]:
        run = WAYS[way]([built() for _ in range(number)], setting, casts=lambda *_: at_once)
        return partial(run, images[:number], labels[:number])

    with without_kernels():
        one_by_one, at_once = (num_operations(passes("lanes", 1, SETTING, at_once=each)) for each in (False, True))
        network = num_operations(partial(forward_and_backward, CastAtOnce(built()), SETTING.inputs(images[0])))
        kept = 3  # the call that casts; the sum that stands for the loss, and its gradient
        compiled = at_once - (network - kept) + num_compiled(passes("lanes", 1, COMPILED, at_once=True))
        wide = num_operations(passes("wide", seeds, SETTING, at_once=True))
        trained = built()
        for parameter in trained.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer = num_operations(build_optimizer(config, trained).step)
    return [one_by_one, at_once, compiled, wide, optimizer]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="of the wide network")
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()
    kinds = ("one by one", "cast at once", "compiled", f"{options.seeds} seeds, wide", "optimizer")
    print("| Norm | " + " | ".join(kinds) + " |\n|:--|" + "--:|" * len(kinds))
    for norm in ("bn", "gn", "ln"):
        numbers = counts(norm, options.seeds, options.batch_size)
        print(f"| {norm_label(norm, {})} | " + " | ".join(map(str, numbers)) + " |", flush=True)


if __name__ == "__main__":
    main()
