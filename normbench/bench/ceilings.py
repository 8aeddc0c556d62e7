"""The machine's limits: its fastest matrix product, and its fastest copy of memory."""

import time
from collections.abc import Callable

import torch

from normbench.bench.result import Ceilings
from normbench.bench.training import synchronize

SIZES = {"cpu": (256, 512, 1024, 2048), "cuda": (1024, 2048, 4096, 8192)}
COPIED = {"cpu": 2**28, "cuda": 2**30}  # bytes: more than any cache holds
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
SPENT_S = 0.05  # on each size in a round, unless a single call takes longer
HOPELESS_S = 0.25  # larger sizes are not tried after a call that takes longer


def ceilings(device: torch.device) -> Callable[[], Ceilings]:
    """A function that measures the ceilings once. On CUDA fp32 products may use TF32, as the convs of cuDNN do."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")

    def measure() -> Ceilings:
        return Ceilings({name: _matmul_gflops(dtype, device) for name, dtype in DTYPES.items()}, _copy(device))

    return measure


def _matmul_gflops(dtype: torch.dtype, device: torch.device) -> float:
    best = 0.0
    for size in SIZES[device.type]:
        a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(a)
        seconds = _least_seconds(lambda a=a, b=b, out=out: torch.mm(a, b, out=out), device)  # type: ignore[misc]
        best = max(best, 2 * size**3 / seconds / 1e9)
        if seconds > HOPELESS_S:
            break
    return best


def _copy(device: torch.device) -> float:
    source = torch.ones(COPIED[device.type] // 4, device=device)
    target = torch.full_like(source, 2.0)  # filled, because the first write to a page waits for the system
    seconds = _least_seconds(lambda: target.copy_(source), device)
    return 2 * COPIED[device.type] / seconds / 1e9


def _least_seconds(function: Callable[[], object], device: torch.device) -> float:
    """The shortest of several calls; a hopeless first call is the only one."""
    begun = time.perf_counter()
    best = _seconds(function, device)
    if best > HOPELESS_S:
        return best
    while True:
        best = min(best, _seconds(function, device))
        if time.perf_counter() - begun > SPENT_S:
            return best


def _seconds(function: Callable[[], object], device: torch.device) -> float:
    synchronize(device)
    start = time.perf_counter()
    function()
    synchronize(device)
    return time.perf_counter() - start
