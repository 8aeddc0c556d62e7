"""Tables of `normbench explain`, each with at most two notes."""

import re
from collections.abc import Sequence
from itertools import groupby
from math import prod

from rich.console import Console

from normbench.explain.equivalence import Equivalence
from normbench.explain.network import NetworkCounts
from normbench.explain.params import Counts
from normbench.explain.running import Running
from normbench.explain.shape import axis_names
from normbench.explain.shapes import Shapes
from normbench.norms.registry import MEAN_STD
from normbench.present.tables.render import render
from normbench.present.tables.table import Cell, Table

UNKNOWN = "unknown"


def params_table(counts: Sequence[Counts]) -> Table:
    """One row per norm layer; all on one input shape."""
    shape = counts[0].shape
    columns = ("norm", "layer", "over", "means, stds", "kept", "learned", "buffers")
    rows = tuple((count.norm, count.layer, *_counted(count)) for count in counts)
    return Table(f"Norms on {_sizes(shape)}", columns, rows, (), (*_what_is_learned(counts), *_unlike_pytorch(counts)))


def network_table(network: NetworkCounts) -> Table:
    """One row per norm layer of the network, then the sums."""
    columns = ("layer", "input C,H,W", "over", "means, stds", "kept", "learned", "buffers")
    rows: list[tuple[Cell, ...]] = [
        (count.layer, _comma(count.shape[1:]), *_counted(count)) for count in network.layers
    ]
    means = UNKNOWN if network.num_statistics is None else f"{network.num_statistics:,}"
    rows.append(("all norm layers", "", "", means, "", f"{network.num_learned:,}", f"{network.num_buffers:,}"))
    title = f"{network.norm} in the network" + (f", {network.layers[0].shape[0]} images" if network.layers else "")
    rows.append(("whole network", "", "", "", "", f"{network.num_parameters:,}", ""))
    notes = (*_what_is_learned(network.layers), *_unlike_pytorch(network.layers))
    return Table(title, columns, tuple(rows), (), notes)


def _counted(count: Counts) -> tuple[Cell, ...]:
    if count.reduced is None:
        statistics: tuple[Cell, ...] = (UNKNOWN, UNKNOWN)
    elif count.reduced:
        first, *others = count.reduced
        over: Cell = (f"{first},", ", ".join(others)) if len(others) > 1 else ", ".join(count.reduced)
        only = () if count.statistics == MEAN_STD else (f"{', '.join(count.statistics or ())} only",)
        statistics = (over, (f"{count.num_statistics:,}", f"= {count.statistics_formula}", *only))
    else:
        statistics = ("none", "0")
    return (
        *statistics,
        "yes" if count.statistics_stored else "no",
        _with_formula(count.num_learned, count.learned_formula),
        _with_formula(count.num_buffers, count.buffers_formula),
    )


def _with_formula(count: int, formula: str) -> Cell:
    return (f"{count:,}", f"= {formula}") if count else "0"


def _what_is_learned(counts: Sequence[Counts]) -> tuple[str, ...]:
    storing = next((count for count in counts if count.statistics_stored), None)
    if storing is None:
        return ("No statistics are kept: they are computed anew for each input, in eval mode too, and not learned.",)
    kept = sum(prod(shape) for name, shape in storing.buffers.items() if name.startswith("running_"))
    name = storing.layer.partition("-")[0]
    return (
        f"{name}({storing.shape[1]}) learns {storing.num_learned:,} values and stores {storing.num_buffers:,}. It does "
        f"not learn {storing.num_learned + kept:,}: running_mean and running_var are averages over the batches seen, "
        "kept in buffers, which the gradient never touches.",
    )


def _unlike_pytorch(counts: Sequence[Counts]) -> tuple[str, ...]:
    """What a layer learns that PyTorch's layer, made without options, does not."""
    if not any(count.norm == "IN" and count.num_learned for count in counts):
        return ()
    return (
        "IN is made with affine=True, so that it learns as much as the other norms; PyTorch's default, affine=False, "
        "learns nothing.",
    )


def running_tables(running: Running) -> list[Table]:
    """The running statistics, unless no norm keeps any, then mean and deviation of the outputs."""
    title = f"{running.num_batches:,} batches of {_sizes(running.shape)}, momentum {running.momentum:g}"
    channels = f"channels 0 to {len(running.true_std) - 1}"
    tables = []
    if running.tracked:
        rows: list[tuple[Cell, ...]] = [("drawn from", _row(running.true_mean), _row(running.true_std))]
        for limits, tracked in groupby(running.tracked, lambda one: (one.mean_limit, one.std_limit)):
            rows += [(f"{one.norm} {one.average}", _row(one.mean), _row(one.std)) for one in tracked]
            if all(limits):
                rows.append(("  tends to", *map(_row, limits)))
        fading = (1 - running.momentum) ** running.num_batches
        notes = (
            "The cumulative average (momentum none) weighs all batches alike; the exponential one still holds "
            f"{fading:.1%} of its start, mean 0 and deviation 1.",
            "The deviation drawn from is that within a sample, to which IN tends. The unbiased variance of a batch is "
            "1/14 more, as its two samples have the means 0.25 and 0.75: BN tends to sqrt(σ² + 1/14), not to 1, 2, 3, "
            "4 as is often said. BRN averages deviations, not variances, and biased ones.",
        )
        columns = ("running statistics", f"mean, {channels}", f"deviation, {channels}")
        tables.append(Table(f"Running statistics after {title}", columns, tuple(rows), (), notes))
    outputs = tuple(
        (output.norm, str(sample), _row(mean), _row(std))
        for output in running.outputs
        for sample, (mean, std) in enumerate(zip(output.mean, output.std, strict=True))
    )
    tables.append(
        Table(
            f"Output in training over the same {running.num_batches:,} batches",
            ("norm", "sample", f"mean, {channels}", f"deviation, {channels}"),
            outputs,
            (),
            ("A sample's channel with statistics of its own comes out at mean 0 and deviation 1, any other does not.",),
        )
    )
    return tables


def shapes_tables(shapes: Shapes) -> list[Table]:
    tables = []
    for stack in shapes.stacks:
        rows = [("input", _comma(stack.input_shape))]
        rows += [(step.layer, _comma(step.shape) if step.shape else "does not fit") for step in stack.steps]
        problems = tuple(step.problem for step in stack.steps if step.problem)
        tables.append(Table(stack.title, ("layer", "shape after it"), tuple(rows), (), problems))
    fits = tuple(
        (
            fit.norm,
            *(_arguments(layer) for layer in (fit.for_flat, fit.for_sequence, fit.for_images, fit.for_flattened)),
        )
        for fit in shapes.fits
    )
    tables.append(
        Table(
            "What to write for which input",
            ("norm", "N,C", "N,C,L", "N,C,H,W", "flattened N,C·H·W"),
            fits,
            (),
            ("num_features is the size of the axis C, whatever N is; behind Flatten that axis is all there is.",),
        )
    )
    settings = tuple(
        (
            tuple(re.split(r" (?=\w+=)", setting.layer)),
            f"{setting.num_learned:,}",
            f"{setting.num_buffers:,}",
            "none" if setting.running_mean is None else f"{setting.running_mean:g}",
            f"{setting.moves_train:.4f}",
            f"{setting.moves_eval:.4f}",
        )
        for setting in shapes.settings
    )
    columns = ("layer", "learned", "buffers", "running mean", "moves in train", "moves in eval")
    notes = (
        "running mean: after one batch of mean 1; moves: how far an image's output goes when its neighbours change.",
        "affine=False learns nothing but still stores; eval() is what makes an image's output its own.",
    )
    tables.append(Table("Batch norm's options", columns, settings, (), notes))
    return tables


def equivalence_table(found: Equivalence) -> Table:
    """One row per pair of norms."""
    rows: list[tuple[Cell, ...]] = []
    for one in found.comparisons:
        verdict = ("yes" if one.holds else "no") + ("" if one.holds == one.expected else ", unexpected")
        rows.append(
            (
                one.claim,
                tuple(re.split(r"(?<=,) ", one.when)),
                f"{one.largest_difference:.1e}",
                verdict,
                _halves(one.why),
            )
        )
    title = f"Pairs of norms on {_sizes(found.shape)}, seed {found.seed}"
    notes = (
        f"A pair is the same where the largest difference is within float32 rounding ({found.tolerance:g}).",
        "It ends where one of the two uses stored statistics in eval mode, or learns a γ and β for each element.",
    )
    return Table(title, ("claim", "when", "largest difference", "same", "because"), tuple(rows), (), notes)


def render_all(tables: Sequence[Table], console: Console) -> None:
    """Prints the tables with an empty line between two."""
    for number, table in enumerate(tables):
        if number:
            console.print()
        render(table, "table", console)


def _arguments(layer: str | None) -> str:
    """BatchNorm1d(16) -> (16)"""
    return "no" if layer is None else layer[layer.index("(") :]


def _halves(text: str) -> Cell:
    words = text.split()
    middle = (len(words) + 1) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])


def _row(values: Sequence[float]) -> str:
    return " ".join(f"{value:6.3f}".replace("-0.000", " 0.000") for value in values)


def _comma(shape: Sequence[int]) -> str:
    return ",".join(map(str, shape))


def _sizes(shape: Sequence[int]) -> str:
    return f"{','.join(axis_names(shape))} = {_comma(shape)}"
