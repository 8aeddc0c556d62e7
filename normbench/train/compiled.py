"""A network whose training steps `torch.compile` computes, with PyTorch's eager mode for the others."""

import hashlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn

from normbench.errors import ConfigError, DataError, is_out_of_memory
from normbench.files import private_cache_folder
from normbench.kernels.build import processor
from normbench.text import printable, shortened

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"  # read by torch's compiler
INSTRUCTION_LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # read by torch and oneDNN

# `fallback_random`: the same numbers from torch's generator as in eager mode. One thread: a pool of compiler processes
# would outlive the compilation, and get the user's Ctrl-C.
_OPTIONS: dict[str, str | int | bool | Callable[..., object]] = {"fallback_random": True, "compile_threads": 1}


class CompileError(ConfigError):
    """`torch.compile` cannot compile the network, for a reason in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"torch.compile cannot compile this network: {reason}; train.engine eager does without it")
        self.reason = reason


class Compiled(nn.Module):
    """Computes what `model` does, by compiled code for full batches, and in eager mode for shorter ones.

    The two share all layers; keep the model for its state dict. The first call compiles the graph as a whole for its
    shapes, and so does the first call with more images. Another call that would need new code, such as one after a
    change of the network, is computed in eager mode. Networks that differ in their tensors only share compiled code: of
    several, one `tells` that it is compiled. Raises CompileError where the compiler refuses the network or does not
    work.
    """

    def __init__(self, model: nn.Module, *, tells: bool = True) -> None:
        super().__init__()
        self.model, self._batch_size = model, 0  # of the calls that are compiled
        self._tells = tells
        _keep_compiled_code()
        self._call = torch.compile(model, fullgraph=True, dynamic=False, options=_OPTIONS)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor
        if len(x) < self._batch_size:
            logits = self.model(x)
        elif len(x) == self._batch_size:
            with torch.compiler.set_stance("eager_on_recompile"):
                logits = self._call(x)
        else:
            if self._tells:
                logger.info("compiling the network by torch.compile, which may take a minute")
            with _compiling():
                logits = self._call(x)
            self._batch_size = len(x)
        return logits


@contextmanager
def _compiling() -> Iterator[None]:
    """Within, the compiler's remarks are not shown, and its errors become a CompileError."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise CompileError(_reason(error)) from error
    finally:
        logging.disable(disabled)


def _keep_compiled_code() -> None:
    """In normbench's cache folder, unless the user has named another one for torch."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir  # slow to import

    if os.environ.get(CACHE_VARIABLE, default_cache_dir()) == default_cache_dir():  # some imports of torch set it
        with suppress(DataError, OSError):
            os.environ[CACHE_VARIABLE] = str(private_cache_folder(f"inductor-{_machine_code()}"))


def _machine_code() -> str:
    """A digest of what decides the machine code: torch does not look at it before it loads what is in its folder.

    A home folder may be shared by machines of several kinds, and code of one can crash another.
    """
    limits = [f"{name}={os.environ.get(name, '')}" for name in INSTRUCTION_LIMITS]
    return hashlib.sha256(b"\0".join([processor(), *map(str.encode, limits)])).hexdigest()[:12]


def _reason(error: BaseException) -> str:
    """The first line of the innermost error: torch's compiler wraps those of its backend."""
    inner = getattr(error, "inner_exception", None)
    if isinstance(inner, BaseException):
        return _reason(inner)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable(shortened(lines[0] if lines else type(error).__name__, 200))
