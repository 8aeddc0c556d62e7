"""A CUDA graph's stand-in on the CPU: the operations of a step, recorded once and replayed on the same memory."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from normbench.train.capture import State, rehearse

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "repeat_interleave.Tensor")
"""Operations that would wait for a GPU, or whose result has a size that depends on numbers."""


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, out))
        return out


def record_on_cpu(
    step: Callable[[], None], state: State, device: torch.device, generators: Sequence[torch.Generator] = ()
) -> Callable[[], None]:
    """As `capture` on CUDA: what Python decides in the step is decided for good, and nothing has happened yet."""
    rehearse(step, state)
    before = [tensor.detach().clone() for tensor in state()]
    recorder = _Recorder()
    with recorder:
        step()
    with torch.no_grad():
        for tensor, value in zip(state(), before, strict=True):
            tensor.copy_(value)
    waiting = {name for func, *_ in recorder.calls for name in WAITS if name in str(func)}
    assert not waiting, f"the step waits for the device: {waiting}"
    assert len(recorder.calls) > 100

    @torch.no_grad()
    def replay() -> None:
        for func, args, kwargs, out in recorder.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)

    return replay
