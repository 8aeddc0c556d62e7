"""The environment of a run: versions, processor, threads, commit; and the memory it took."""

import logging
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
import torch

import normbench
from normbench.kernels.library import library
from normbench.runs.schema import MAX_ENVIRONMENTS, MAX_TEXT
from normbench.text import printable, shortened

logger = logging.getLogger(__name__)

Environment = dict[str, Any]
"""Facts by name: text, whole numbers or None."""

# Environment variables that change the bits which the libraries under torch compute.
_STEERING = (
    *("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE", "MKL_CBWR"),
    *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG"),
)


def environment_now(device: torch.device) -> Environment:
    """All that may change the bits of a run besides its config, its data and its precision."""
    return {"device": device.type, "git_commit": git_commit(), **describe_environment(device)}


def describe_environment(device: torch.device) -> Environment:
    """The facts of the environment without its commit; text is made printable and short: variables hold anything."""
    return {
        key: shortened(printable(value), MAX_TEXT) if isinstance(value, str) else value
        for key, value in _facts(device).items()
    }


def _facts(device: torch.device) -> Environment:
    kernels = library()
    return {
        "normbench": normbench.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a str subclass, which `weights_only` refuses
        "torchvision": _torchvision_version(),
        "numpy": numpy.__version__,
        "safetensors": version("safetensors"),
        "cpu": _cpu_name(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "kernels": f"compiled, {kernels.digest}" if kernels else "PyTorch's own",
        "kernel_level": kernels.level if kernels else None,
        "threads": torch.get_num_threads(),
        "variables": " ".join(f"{name}={os.environ[name]}" for name in _STEERING if os.environ.get(name)) or None,
        "platform": f"{platform.system()} {platform.machine()}",
    }


def environments_so_far(before: Sequence[Environment], now: Environment) -> list[Environment]:
    """The environments of a run, `before` and `now`, without repetition; logs what has changed since the last one.

    Of more than MAX_ENVIRONMENTS the first and the latest are kept. The number of threads stays what the run was begun
    with.
    """
    if not before:
        return [now]
    last = before[-1]
    if now["threads"] != last["threads"]:
        begun_with = last["threads"]
        logger.info(f"threads: {begun_with} as the run was begun, not {now['threads']}, for their number changes bits")
        now = now | {"threads": begun_with}
    if now == last:
        return list(before)
    changes = "; ".join(
        f"{key} {values[0]}, now {values[1]}" for key, values in environment_changes([last, now]).items()
    )
    logger.info(f"note: not what the run was begun in, so its bits may not be those of an undisturbed run: {changes}")
    return [before[0], *[*before[1:], now][-(MAX_ENVIRONMENTS - 1) :]]


def environment_changes(environments: Sequence[Environment]) -> dict[str, list[Any]]:
    """By key, the values that a run was trained with one after the other, where they changed."""
    changes = {}
    for key in dict.fromkeys(key for environment in environments for key in environment):
        values = [environment.get(key) for environment in environments]
        kept = [value for number, value in enumerate(values) if number == 0 or value != values[number - 1]]
        if len(kept) > 1:
            changes[key] = kept
    return changes


def git_commit() -> str | None:
    """The commit of the checkout normbench runs from, with `-dirty` where tracked files differ; None for a wheel."""
    root = Path(normbench.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return f"{commit}-dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or no commit yet


def restart_peak_memory(device: torch.device) -> bool:
    """From now on `peak_memory_bytes` is the peak since this call; false where that is not to be had."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # see man proc_pid_clear_refs
        return True
    return False


def peak_memory_bytes(device: torch.device) -> int | None:
    """On CUDA the most the allocator held; on the CPU the largest resident size of this process so far.

    None on a CPU where neither /proc nor the module `resource` tells it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Not ru_maxrss where /proc has more: a process inherits its parent's.
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]  # the user's git, with constant arguments
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    return done.stdout.strip()


@cache
def _torchvision_version() -> str:
    """`torchvision.__version__`, from its file: importing it takes 150 MiB, and most runs do without."""
    spec = find_spec("torchvision")
    with suppress(OSError):
        text = Path(spec.origin).with_name("version.py").read_text() if spec and spec.origin else ""
        if found := re.search(r"""^__version__ = ['"](.+)['"]$""", text, re.MULTILINE):
            return found[1]
    return version("torchvision")


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
