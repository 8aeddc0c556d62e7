"""Configs made to exhaust memory or time: each must be refused or trained, within little of both.

python -m tests.robustness.config_bombs [--quick]    # --quick: only those that take a moment
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.robustness.config_cases import MAIN, Case
from tests.robustness.config_runs import complaint, run_case

MUCH = 999_000  # bytes; a config may have 1,000,000
MANY_RUNS = "sweep: {train.batch_size: {from: 1, to: 10000}}"
EXTRA_BYTES = 2**29
"""Address space that all configs together may take beyond that of the imports."""


def _aliases(item: str) -> str:
    """A mapping of 2,400 items, and 4,000 aliases of it."""
    return f"a: &a {{{', '.join([item] * 2400)}}}\nb: [{', '.join(['*a'] * 4000)}]"


def _laughs(number: int) -> str:
    lines = (f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, number))
    return "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x]", *lines])


def _listed(item: str, number: int) -> str:
    return f"[{', '.join([item] * number)}]"


def _section(*keys: str, number: int) -> str:
    above = [f"{'  ' * depth}{key}:" for depth, key in enumerate(keys)]
    return "\n".join([*above, *(f"{'  ' * len(keys)}k{i}: {i}" for i in range(number))])


QUICK: dict[str, str] = {
    "10 MB": "norm: gn  # " + "x" * 10_000_000,
    "10 MB of lines": "norm: gn\n" * 1_100_000,
    "brackets": "[" * MUCH,
    "braces": "{a: " * (MUCH // 4),
    "question marks": "? " * (MUCH // 2),
    "laughs": _laughs(18),
    "an alias of itself": "a: &a [*a]",
    "aliases of double keys": _aliases("x: 1"),
    "aliases of wrong keys": _aliases("1: 1"),
    "one long name of a norm": "norm: " + "x" * MUCH,
    "hexadecimal digits": "train: {epochs: 0x" + "f" * MUCH + "}",
    "many options": _section("norm", number=4_900).replace("norm:", "norm:\n  kind: gn"),
    "many URLs, many runs": f"data: {{urls: {_listed('x', 9_000)}}}\n{MANY_RUNS}",
    "long rows, many runs": "sweep:\n  train.batch_size: {from: 1, to: 2000}\n"
    f"  data.augment: {_listed(_listed('flip', 1_800), 5)}",
    "many ranges": "sweep:\n" + "\n".join(f"  norm.k{i}: {{from: 1, to: 10000}}" for i in range(1_000)),
    "many keys that go together": f"sweep: {{'{', '.join(f'norm.k{i}' for i in range(2_000))}': [[1]]}}",
    "a huge product": "sweep: {train.batch_size: {from: 1, to: 10000}, train.epochs: {from: 1, to: 10000}}",
    "a huge grid": "tune: {train.lr: {from: 0.1, to: 1, num: 10000}, train.momentum: {from: 0.1, to: 1, num: 10000}}",
    "a huge range": "seeds: {from: 0, to: 999999999999}",
}
MORE: dict[str, str] = {
    "dashes": "- " * (MUCH // 2),
    "indented for ever": "\n".join(" " * depth + "a:" for depth in range(1000)),
    "an alias of itself in a key": "a: &a {*a : 1}",
    "aliases of tags": _aliases("x: !y 1"),
    "aliases of nothing": _aliases("x"),
    "one long value": "name: " + "x" * MUCH,
    "one long key": "? " + "x" * MUCH + "\n: 1",
    "one long anchor": "a: &" + "x" * MUCH + " 1",
    "one long alias": "a: *" + "x" * MUCH,
    "one long tag": "a: !" + "x" * MUCH + " 1",
    "digits": "train: {epochs: " + "9" * MUCH + "}",
    "a long fraction": "train: {optimizer: {lr: 0." + "0" * MUCH + "1}}",
    "a long exponent": "train: {optimizer: {lr: 1e" + "9" * MUCH + "}}",
    "many keys": _section(number=4_900),
    "many keys in a section": _section("train", number=4_900),
    "one key many times": "norm: gn\n" * 4_900,
    "many unknown values, many runs": f"x: {_listed('x', 9_000)}\n{MANY_RUNS}",
    "words": "name: " + "x " * (MUCH // 2),
    "lines": "norm: gn\n" + "\n" * (MUCH - 10),
    "text of many lines": "name: a\n" + " b\n" * (MUCH // 3 - 3),
    "escapes": 'name: "' + "\\n" * (MUCH // 2 - 5) + '"',
    "10,000 runs": MANY_RUNS,
    "10,000 wrong runs": "sweep: {train.batch_size: {from: -10000, to: -1}}",
    "10,000 runs of an unknown norm": f"norm: xx\n{MANY_RUNS}",
    "9,000 unknown norms": f"sweep: {{norm: [{', '.join(f'x{i}' for i in range(9_000))}]}}",
    "10,000 seeds": "seeds: {from: 0, to: 9999}",
    "10,000 trials": "tune: {train.optimizer.lr: {from: 0.1, to: 1, num: 10000}}",
    "9,000 augmentations": f"data: {{augment: {_listed('flip', 9_000)}}}",
    "5,000 runs, 499 entries that leave some out": "sweep: {train.batch_size: {from: 1, to: 5000}}\nexclude:\n"
    + "\n".join(f"- {{train.batch_size: {i}}}" for i in range(1, 500)),
}


def main(quick: bool) -> bool:
    """Prints the CPU time of each config; returns whether all ended as they should."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + EXTRA_BYTES, hard))
    is_fine, before = True, _peak_mib()
    for name, text in (QUICK if quick else QUICK | MORE).items():
        case = Case("sweep" if text.startswith(("sweep", "tune", "seeds")) or "\nsweep" in text else "train", {})
        case.files[MAIN] = text.encode()
        start = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            ended = run_case(case, Path(folder))
            wrong = complaint(case, ended, Path(folder))
        print(f"{time.process_time() - start:6.2f} s  exit code {ended.code}  {name}")
        if wrong:
            is_fine = False
            print(wrong)
    print(f"at most {_peak_mib() - before:,} MiB of memory more than the imports took")
    return is_fine


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(0 if main(quick="--quick" in sys.argv) else 1)
