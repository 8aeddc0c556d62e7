"""`normbench bench` as tables: speed of each norm, parts of its step, the plain loop, the limits of the machine."""

from collections.abc import Iterable

from normbench.bench.result import PARTS, WITHOUT, Bench, NormTimings, Spread, Timing
from normbench.present.tables.table import Cell, Table, Value
from normbench.text import plural

MIB = 2**20


def bench_tables(bench: Bench, setting: str) -> dict[str, Table]:
    """The tables by name, that of the norms first. `setting` is the machine and the amount of work, for its title.

    The table `laps` has a row for each timing of each round, which the medians hide; it is for JSON.
    """
    tables = {"norms": _norms(bench, setting), "parts": _parts(bench)}
    tables |= {loop: _against(bench, loop) for loop in bench.against}
    if bench.beside:
        tables["busy"] = _beside_busy(bench)
    return tables | {"machine": _machine(bench), "laps": _rounds(bench)}


def _norms(bench: Bench, setting: str) -> Table:
    return Table(
        title=f"Training steps on {setting}: median [lowest, highest round]",
        columns=("Norm", "Images/s", "Step ms", "Tax ms", "Tax %", "Peak %", "MiB"),
        rows=tuple(_norm_row(bench, norm) for norm in bench.norms),
        records=tuple(_norm_record(bench, norm) for norm in bench.norms),
        notes=(
            "tax: how much longer a step is than without norm, round by round",
            "peak %: 6 operations a multiply-add and image (2 forward, 4 backward), of what the best "
            f"{bench.precision} matrix product of the round did in the same time: the median of the rounds",
            *_fewer_operations(bench),
            "MiB: the most memory that its process held during these steps, "
            + ("on the GPU" if bench.device == "cuda" else "with PyTorch and the images"),
            *_engines(bench),
        ),
    )


def _fewer_operations(bench: Bench) -> list[str]:
    """A note on the kernels' convolutions that take fewer operations than are counted."""
    if bench.device != "cpu" or bench.precision != "fp32" or all(norm.engine != "kernels" for norm in bench.norms):
        return []
    return [
        "peak % may exceed 100 in fp32: the kernels' 3x3 convolutions (Winograd) take fewer operations than counted"
    ]


def _engines(bench: Bench) -> list[str]:
    """A note on the networks that the kernels do not compute."""
    others = [f"{norm.label} by {norm.engine}" for norm in bench.norms if norm.engine != "kernels"]
    return [f"engine: {', '.join(others)}, as train.engine says or as measured before"] if others else []


def _norm_row(bench: Bench, norm: NormTimings) -> tuple[Cell, ...]:
    is_bare = norm.norm == WITHOUT
    return (
        norm.label,
        f"{norm.middle.images_per_s:,.0f}",
        _spread(norm.step_s, 1e3, 2),
        "-" if is_bare else _spread(bench.tax_s(norm), 1e3, 2),
        "-" if is_bare else _spread(bench.tax(norm), 1e2, 0),
        f"{100 * bench.share_of_peak(norm).median:.1f}",
        _mib(norm.peak_memory_bytes),
    )


def _mib(memory_bytes: int | None) -> str:
    return "-" if memory_bytes is None else f"{memory_bytes / MIB:,.0f}"


def _norm_record(bench: Bench, norm: NormTimings) -> dict[str, Value]:
    is_bare = norm.norm == WITHOUT
    return {
        "norm": norm.norm,
        "label": norm.label,
        "engine": norm.engine,
        "images_per_s": norm.middle.images_per_s,
        **_spread_record("step_ms", norm.step_s, 1e3),
        **_part_record(norm.middle),
        **_spread_record("tax_ms", None if is_bare else bench.tax_s(norm), 1e3),
        **_spread_record("tax", None if is_bare else bench.tax(norm)),
        "macs": norm.macs,
        **_spread_record("share_of_peak", bench.share_of_peak(norm)),
        "peak_memory_bytes": norm.peak_memory_bytes,
    }


def _parts(bench: Bench) -> Table:
    return Table(
        title="Where the time of a step goes, in ms",
        columns=("Norm", *map(str.capitalize, PARTS), "Step"),
        rows=tuple((norm.label, *_part_cells(norm.middle), f"{1e3 * norm.middle.step_s:.2f}") for norm in bench.norms),
        records=tuple({"norm": norm.norm, **_part_record(norm.middle)} for norm in bench.norms),
        notes=(
            "parts: of the round with the median step; data: until the network is called, so drawing, augmenting, "
            "normalizing; backward: with the loss; other: counting, and the check that the loss is finite",
            *(["-: a step replayed as one CUDA graph cannot be divided"] if _is_undivided(bench) else []),
        ),
    )


def _is_undivided(bench: Bench) -> bool:
    return any(norm.middle.part_s is None for norm in bench.norms)


def _part_cells(timing: Timing) -> Iterable[Cell]:
    if timing.part_s is None:
        return ["-"] * len(PARTS)
    return [(f"{1e3 * seconds:.2f}", f"({100 * seconds / timing.step_s:.0f} %)") for seconds in timing.part_s.values()]


def _part_record(timing: Timing) -> dict[str, Value]:
    return {f"{name}_ms": None if timing.part_s is None else 1e3 * timing.part_s[name] for name in PARTS}


_OTHER_LOOPS = {
    "plain": "plain loop: PIL images, torchvision transforms, RandAugment on a quarter of them, a DataLoader worker a "
    "core (whose memory is not counted), fp32, nn.Dropout(0.02), SGD, eager; the same batch size",
    "eager": "eager loop: PyTorch's eager mode and its own norm layers; normalized images in memory, none augmented; "
    "channels_last, the same precision and batch size, fused SGD",
    "compile": "compile loop: the network by torch.compile, with PyTorch's own norm layers; normalized images in "
    "memory, none augmented; channels_last, the same precision and batch size, fused SGD",
}


def _against(bench: Bench, loop: str) -> Table:
    others = bench.against[loop]
    pairs = [(norm, others[norm.norm]) for norm in bench.norms if norm.norm in others]
    name = loop.capitalize()
    return Table(
        title=f"Against the {loop} loop: median [lowest, highest round]",
        columns=("Norm", f"{name} images/s", "Ours", "Ratio", f"{name} MiB"),
        rows=tuple(
            (
                norm.label,
                f"{other.middle.images_per_s:,.0f}",
                f"{norm.middle.images_per_s:,.0f}",
                _spread(bench.times(norm, loop), 1, 2),
                _mib(other.peak_memory_bytes),
            )
            for norm, other in pairs
        ),
        records=tuple(
            {
                "norm": norm.norm,
                f"{loop}_images_per_s": other.middle.images_per_s,
                "images_per_s": norm.middle.images_per_s,
                **_spread_record("ratio", bench.times(norm, loop)),
                f"{loop}_peak_memory_bytes": other.peak_memory_bytes,
            }
            for norm, other in pairs
        ),
        notes=(_OTHER_LOOPS[loop],),
    )


def _beside_busy(bench: Bench) -> Table:
    pairs = [(norm, bench.beside[norm.norm]) for norm in bench.norms if norm.norm in bench.beside]
    programs = plural(bench.num_busy, "busy program")
    return Table(
        title=f"Beside {programs}: median [lowest, highest round]",
        columns=("Norm", "Step ms", "Beside ms", "Ratio"),
        rows=tuple(
            (
                norm.label,
                _spread(norm.step_s, 1e3, 2),
                _spread(busy.step_s, 1e3, 2),
                _spread(bench.slowdown(norm), 1, 2),
            )
            for norm, busy in pairs
        ),
        records=tuple(
            {
                "norm": norm.norm,
                "busy_programs": bench.num_busy,
                **_spread_record("step_ms", norm.step_s, 1e3),
                **_spread_record("beside_ms", busy.step_s, 1e3),
                **_spread_record("ratio", bench.slowdown(norm)),
            }
            for norm, busy in pairs
        ),
        notes=(
            f"beside: a step with {programs} at work, in the same rounds; each can keep a core busy and has a session "
            "of its own, as a program in another terminal has",
        ),
    )


def _machine(bench: Bench) -> Table:
    found = {
        (f"matrix product {precision}", "GFLOP/s"): Spread.of([one.matmul_gflops[precision] for one in bench.ceilings])
        for precision in bench.ceilings[0].matmul_gflops
    }
    found["copy, read + written", "GB/s"] = Spread.of([one.copy_gb_per_s for one in bench.ceilings])
    return Table(
        title="The machine at its best: median [lowest, highest round]",
        columns=("Ceiling", "Unit", "Measured"),
        rows=tuple((name, unit, _spread(spread, 1, 1)) for (name, unit), spread in found.items()),
        records=tuple(
            {"ceiling": name, "unit": unit, **_spread_record("value", spread)} for (name, unit), spread in found.items()
        ),
        num_text_columns=2,
    )


def _rounds(bench: Bench) -> Table:
    loops = [("normbench", norm) for norm in bench.norms] + [
        (loop, norm) for loop, norms in bench.against.items() for norm in norms.values()
    ]
    loops += [("busy", norm) for norm in bench.beside.values()]
    rounds = [(loop, norm, number, timing) for loop, norm in loops for number, timing in enumerate(norm.timings, 1)]
    return Table(
        title="Every round",
        columns=("Loop", "Norm", "Round", "Images/s", "Step ms"),
        rows=tuple(
            (loop, norm.label, f"{number}", f"{timing.images_per_s:,.0f}", f"{1e3 * timing.step_s:.2f}")
            for loop, norm, number, timing in rounds
        ),
        records=tuple(
            {
                "loop": loop,
                "norm": norm.norm,
                "round": number,
                "images_per_s": timing.images_per_s,
                "step_ms": 1e3 * timing.step_s,
                **_part_record(timing),
            }
            for loop, norm, number, timing in rounds
        ),
        num_text_columns=2,
    )


def _spread(spread: Spread, scale: float, digits: int) -> Cell:
    """`36.3 [35.9, 37.0]` as the three parts of a cell; of a single round the median alone."""
    median, low, high = (f"{scale * value:,.{digits}f}" for value in spread)
    if spread.low == spread.high:
        return median
    return median, f"[{low},", f"{high}]"


def _spread_record(name: str, spread: Spread | None, scale: float = 1.0) -> dict[str, Value]:
    keys = (name, f"{name}_low", f"{name}_high")
    if spread is None:
        return dict.fromkeys(keys)
    return {key: scale * value for key, value in zip(keys, spread, strict=True)}
