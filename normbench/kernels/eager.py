"""Whether PyTorch computes values and nothing more: only then may kernels stand in for its operations.

A compiler, a tracer, a transform or a mode sees the operations that PyTorch dispatches. It would not see a kernel, and
go on without it, silently.
"""

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules.module import _has_any_global_hook

_PLAIN = (Tensor, nn.Parameter)


def is_eager() -> bool:
    """Whether a call computes values, and records at most what a first derivative by `backward` needs.

    False under torch.compile, torch.export, torch.jit.trace, the transforms of torch.func, forward-mode derivatives,
    and a TorchDispatchMode, such as that of make_fx, of fake tensors or of a counter of operations. A call takes less
    than a microsecond.
    """
    return not (
        torch.compiler.is_compiling()  # first: a compiler evaluates this, and passes over the rest
        or torch._C._get_tracing_state()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or torch._C._len_torch_dispatch_stack()
    )


def is_listened_to() -> bool:
    """Whether a global hook hears each call of a module, or a TorchFunctionMode each call of a function."""
    return bool(_has_any_global_hook()) or torch._C._len_torch_function_stack() > 0


def is_plain(tensor: Tensor) -> bool:
    """Whether the values of the tensor are what lies in its memory.

    Not those of subclasses, such as fake tensors and parameters without a shape as yet, of sparse tensors, and of views
    with another sign.
    """
    return type(tensor) in _PLAIN and tensor.layout is torch.strided and not tensor.is_neg()


def is_batched(gradient: Tensor) -> bool:
    """Whether the tensor stands for several, as in `torch.autograd.grad(..., is_grads_batched=True)`."""
    return torch._C._functorch.is_legacy_batchedtensor(gradient)
