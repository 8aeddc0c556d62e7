"""Tables of `bench`: the speed of each norm, the parts of a step, the plain loop, the ceilings of the machine."""

from collections.abc import Iterable

from normbench.bench.result import PARTS, WITHOUT, Bench, Lap, Spread, Timed
from normbench.present.tables.table import Cell, Table, Value

MIB = 2**20


def bench_tables(bench: Bench, setting: str) -> dict[str, Table]:
    """The tables by name, the norms first; `setting`, in the first title, says where the bench ran.

    `laps` has a row for each round of each norm: the raw values behind the medians.
    """
    tables = {"norms": _norms(bench, setting), "parts": _parts(bench)}
    if bench.plain:
        tables["plain"] = _plain(bench)
    return tables | {"machine": _machine(bench), "laps": _laps(bench)}


def _norms(bench: Bench, setting: str) -> Table:
    return Table(
        title=f"Training steps on {setting}: median [lowest, highest round]",
        columns=("Norm", "Images/s", "Step ms", "Tax ms", "Tax %", "Peak %", "MiB"),
        rows=tuple(_norm_row(bench, timed) for timed in bench.norms),
        records=tuple(_norm_record(bench, timed) for timed in bench.norms),
        notes=(
            "tax: how much longer a step is than without norm, round by round",
            "peak %: 6 operations a multiply-add and image (2 forward, 4 backward), of what the best "
            f"{bench.precision} matrix product of the round did in the same time: the median of the rounds",
            "MiB: the most memory its process held" + (", on the GPU" if bench.device == "cuda" else ""),
        ),
    )


def _norm_row(bench: Bench, timed: Timed) -> tuple[Cell, ...]:
    is_bare = timed.norm == WITHOUT
    return (
        timed.label,
        f"{timed.middle.images_per_s:,.0f}",
        _spread(timed.step_s, 1e3, 2),
        "-" if is_bare else _spread(bench.tax_s(timed), 1e3, 2),
        "-" if is_bare else _spread(bench.tax(timed), 1e2, 0),
        f"{100 * bench.share_of_peak(timed).median:.1f}",
        f"{timed.peak_memory_bytes / MIB:,.0f}",
    )


def _norm_record(bench: Bench, timed: Timed) -> dict[str, Value]:
    is_bare = timed.norm == WITHOUT
    return {
        "norm": timed.norm,
        "label": timed.label,
        "images_per_s": timed.middle.images_per_s,
        **_spread_record("step_ms", timed.step_s, 1e3),
        **_part_record(timed.middle),
        **_spread_record("tax_ms", None if is_bare else bench.tax_s(timed), 1e3),
        **_spread_record("tax", None if is_bare else bench.tax(timed)),
        "macs": timed.macs,
        **_spread_record("share_of_peak", bench.share_of_peak(timed)),
        "peak_memory_bytes": timed.peak_memory_bytes,
    }


def _parts(bench: Bench) -> Table:
    return Table(
        title="Where the time of a step goes, in ms",
        columns=("Norm", *map(str.capitalize, PARTS), "Step"),
        rows=tuple(
            (timed.label, *_part_cells(timed.middle), f"{1e3 * timed.middle.step_s:.2f}") for timed in bench.norms
        ),
        records=tuple({"norm": timed.norm, **_part_record(timed.middle)} for timed in bench.norms),
        notes=(
            "parts: of the round with the median step; data: until the network is called, so drawing, augmenting, "
            "normalizing; backward: with the loss; other: counting, and the check that the loss is finite",
            *(["-: a step replayed as one CUDA graph cannot be divided"] if _is_undivided(bench) else []),
        ),
    )


def _is_undivided(bench: Bench) -> bool:
    return any(timed.middle.part_s is None for timed in bench.norms)


def _part_cells(lap: Lap) -> Iterable[Cell]:
    if lap.part_s is None:
        return ["-"] * len(PARTS)
    return [(f"{1e3 * seconds:.2f}", f"({100 * seconds / lap.step_s:.0f} %)") for seconds in lap.part_s.values()]


def _part_record(lap: Lap) -> dict[str, Value]:
    return {f"{name}_ms": None if lap.part_s is None else 1e3 * lap.part_s[name] for name in PARTS}


def _plain(bench: Bench) -> Table:
    pairs = [(timed, bench.plain[timed.norm]) for timed in bench.norms if timed.norm in bench.plain]
    return Table(
        title="Against the plain loop: median [lowest, highest round]",
        columns=("Norm", "Plain images/s", "Ours", "Ratio", "Plain MiB"),
        rows=tuple(
            (
                timed.label,
                f"{plain.middle.images_per_s:,.0f}",
                f"{timed.middle.images_per_s:,.0f}",
                _spread(bench.times_plain(timed), 1, 2),
                f"{plain.peak_memory_bytes / MIB:,.0f}",
            )
            for timed, plain in pairs
        ),
        records=tuple(
            {
                "norm": timed.norm,
                "plain_images_per_s": plain.middle.images_per_s,
                "images_per_s": timed.middle.images_per_s,
                **_spread_record("ratio", bench.times_plain(timed)),
                "plain_peak_memory_bytes": plain.peak_memory_bytes,
            }
            for timed, plain in pairs
        ),
        notes=(
            "plain loop: PIL images, torchvision transforms, RandAugment on a quarter of them, a DataLoader worker a "
            "core (whose memory is not counted), fp32, nn.Dropout(0.02), SGD, eager; the same batch size",
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


def _laps(bench: Bench) -> Table:
    laps = [("normbench", timed, number, lap) for timed in bench.norms for number, lap in enumerate(timed.laps, 1)]
    laps += [
        ("plain", timed, number, lap) for timed in bench.plain.values() for number, lap in enumerate(timed.laps, 1)
    ]
    return Table(
        title="Every round",
        columns=("Loop", "Norm", "Round", "Images/s", "Step ms"),
        rows=tuple(
            (loop, timed.label, f"{number}", f"{lap.images_per_s:,.0f}", f"{1e3 * lap.step_s:.2f}")
            for loop, timed, number, lap in laps
        ),
        records=tuple(
            {
                "loop": loop,
                "norm": timed.norm,
                "round": number,
                "images_per_s": lap.images_per_s,
                "step_ms": 1e3 * lap.step_s,
                **_part_record(lap),
            }
            for loop, timed, number, lap in laps
        ),
        num_text_columns=2,
    )


def _spread(spread: Spread, scale: float, digits: int) -> Cell:
    """`36.3 [35.9, 37.0]` in three pieces; the median alone of a single round."""
    median, low, high = (f"{scale * value:,.{digits}f}" for value in spread)
    if spread.low == spread.high:
        return median
    return median, f"[{low},", f"{high}]"


def _spread_record(name: str, spread: Spread | None, scale: float = 1.0) -> dict[str, Value]:
    keys = (name, f"{name}_low", f"{name}_high")
    if spread is None:
        return dict.fromkeys(keys)
    return {key: scale * value for key, value in zip(keys, spread, strict=True)}
