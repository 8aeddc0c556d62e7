"""Levels of a processor's instructions, for which the same sources are compiled side by side, and the choice of one."""

import os
import platform
from collections.abc import Mapping
from itertools import accumulate

from normbench.errors import ConfigError
from normbench.text import unknown_name

VARIABLE = "NORMBENCH_CPU"
PORTABLE = "portable"
IS_X86 = platform.machine().lower() in ("x86_64", "amd64")

_ADDED = {
    PORTABLE: (),
    "avx2": ("-mavx2", "-mfma", "-mbmi", "-mbmi2"),
    "avx512": ("-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl"),
    "avx512_bf16": ("-mavx512bf16",),
    "amx": ("-mamx-tile", "-mamx-bf16"),
}
"""What a level adds to those before it. Without -mtune, so that one level has the same bits on all processors."""

LEVELS: Mapping[str, tuple[str, ...]] = (
    dict(zip(_ADDED, accumulate(_ADDED.values()), strict=True))
    if IS_X86
    # An Arm processor's vectors are fixed by its architecture, and other processors' are not known here.
    else {PORTABLE: ("-mcpu=native",) if platform.machine().lower() in ("aarch64", "arm64") else ()}
)
"""The compiler's flags by level, from the plainest level on."""

CLEARLY = 1.4
"""A level replaces a plainer one that is slower by this factor. Real ratios are near 0.5, 1, 2 and above: this is far
from all of them, so that noise changes no choice."""


def forced_level() -> str | None:
    """The level that the environment variable NORMBENCH_CPU names, if it is set. Raises ConfigError for no level."""
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    if name not in LEVELS:
        raise ConfigError(unknown_name(VARIABLE, name, LEVELS))
    return name


def choose_level(forced: str | None, rates: Mapping[str, float]) -> str:
    """The forced level, else the fastest; a plainer one if they are about as fast.

    rates: by level, multiply-adds of this machine in a nanosecond; a level that it lacks has none. The portable level
    needs none. Raises ConfigError if the machine lacks the forced level; where nothing could be measured, compiling it
    shows what is wrong.
    """
    here = [level for level in LEVELS if level == PORTABLE or level in rates]
    if forced is not None:
        if rates and forced not in here:
            raise ConfigError(f"{VARIABLE}={forced}: the processor and the compiler here have only {', '.join(here)}")
        return forced
    chosen = PORTABLE
    for level in here:
        if rates.get(level, 0.0) > CLEARLY * rates.get(chosen, 0.0):
            chosen = level
    return chosen
