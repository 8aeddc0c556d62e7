"""A tensor before and after each norm, as blocks of numbers: one row an image, with its channels side by side."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Console
from rich.text import Text

from normbench.explain.tensor import Explained, NormOnTensor, Numbers, Pass

INDENT, GAP = "  ", "   "
LISTED = 8  # more equal values than this are printed as their shape


def print_tensor(explained: Explained, console: Console) -> None:
    """Prints the input, then each norm's statistics, outputs and state_dict, with four decimals as PyTorch does."""
    _heading(f"Input {','.join(map(str, explained.shape))}", console)
    _print_blocks(explained.input, console)
    for norm in explained.norms:
        console.print()
        _print_norm(norm, console)
    console.print()
    notes = (
        "Values that share a mean and a deviation (biased, over n) come out with mean 0 and deviation 1.",
        "In eval mode a norm that stores statistics uses those instead, and its running_var is unbiased, over n - 1.",
    )
    for note in notes:
        console.print(Text(note, style="dim"))


def _print_norm(norm: NormOnTensor, console: Console) -> None:
    if norm.reduced is None:
        shared = "it is not known which values share statistics"
    elif norm.reduced:
        shared = f"over {', '.join(norm.reduced)}: its statistics are one for each {norm.statistics_formula}"
    else:
        shared = "no statistics"
    _heading(f"{norm.norm}, {norm.layer}, {shared}", console)
    for mode, found in (("train", norm.train), ("eval", norm.eval)):
        if found is None:
            console.print(Text(f"{INDENT}{mode}: refused: {norm.problem}"), soft_wrap=True)
        elif found is norm.eval and norm.train and norm.train.output == found.output:
            console.print(Text(f"{INDENT}{mode}: the same"))
        else:
            _print_pass(f"{mode}, with the stored statistics" if found.running else mode, found, console)
    state = "; ".join(f"{name} {_stored(values)}" for name, values in norm.state_dict.items())
    _print_wrapped("state_dict: ", state or "empty", console)


def _print_pass(mode: str, found: Pass, console: Console) -> None:
    console.print(Text(f"{INDENT}{mode}:"))
    for name, values in (found.statistics or {}).items():
        _print_wrapped(f"{INDENT}{name:<4} ", " ".join(map(_decimal, values)), console)
    _print_blocks(found.output, console)


def _print_blocks(tensor: Numbers, console: Console) -> None:
    """Prints [N, C] or [N, C, ..., W], as many channels side by side as fit the console."""
    texts = [[[" ".join(map(_decimal, row)) for row in _rows(channel)] for channel in sample] for sample in tensor]
    width = max(len(row) for sample in texts for channel in sample for row in channel)
    label = len(f"n{len(texts)} c{len(texts[0])}-{len(texts[0])}")
    abreast = max(1, (console.width - 2 * len(INDENT) - label) // (width + len(GAP)))
    for n, sample in enumerate(texts):
        for first in range(0, len(sample), abreast):
            blocks = sample[first : first + abreast]
            names = [f"n{n} c{first}" + (f"-{first + len(blocks) - 1}" if len(blocks) > 1 else "")]
            for name, rows in zip_longest(names, zip(*blocks, strict=True), fillvalue=""):
                console.print(Text(f"{2 * INDENT}{name:<{label}}{''.join(GAP + row for row in rows)}"), soft_wrap=True)


def _rows(channel: Any) -> list[list[float]]:
    """One channel of one sample as rows along the last axis; a single number is a row of one."""
    if not isinstance(channel, list):
        return [[channel]]
    if not isinstance(channel[0], list):
        return [channel]
    return [row for part in channel for row in _rows(part)]


def _stored(values: Any) -> str:
    """A value of the state_dict: the number, a list of numbers, or the shape of many equal ones."""
    if not isinstance(values, list):
        return str(values)
    flat = list(_flat(values))
    if (len(set(flat)) == 1 and len(flat) > LISTED) or isinstance(values[0], list):
        return f"{'x'.join(map(str, _shape(values)))}, all {flat[0]:g}"
    return f"[{' '.join(f'{value:.4f}' for value in flat)}]"


def _flat(values: Any) -> Iterator[float]:
    if isinstance(values, list):
        for value in values:
            yield from _flat(value)
    else:
        yield values


def _shape(values: Any) -> Sequence[int]:
    return [len(values), *_shape(values[0])] if isinstance(values, list) else []


def _decimal(value: float) -> str:
    return f"{value:7.4f}"


def _heading(text: str, console: Console) -> None:
    console.print(Text(text, style="bold"))


def _print_wrapped(label: str, text: str, console: Console) -> None:
    width = max(40, console.width - 1)
    first = INDENT + label
    lines = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=" " * len(first))
    console.print(Text("\n".join(lines)), soft_wrap=True)
