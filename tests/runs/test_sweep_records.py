"""`sweep.json`, `tuning.json` and `decisions.json`: written and read again, key by key."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from normbench.analysis.stats.sequential import decide
from normbench.files import write_json_atomically
from normbench.runs.read import RecordError, read_decisions, read_sweep, read_tuning
from normbench.runs.sweep_records import Chosen, DecidedPair, Decisions, LookedAt, Sweep, SweepPlan, Tuning

LR = "train.optimizer.lr"
CHOSEN: dict[str, Any] = {
    "norm": {"kind": "bn", "eps": 1e-5},
    "label": "BN",
    "cell": {"train.batch_size": 8},
    "values": {LR: 0.1},
    "val_accuracy": 0.81,
    "on_edge": [LR],
}
TUNING = {"schema_version": 1, "budget": 2, "seeds": [100], "grid": {LR: [0.1, 0.2]}, "chosen": [CHOSEN]}


def test_a_sweep_is_read_as_it_was_written(tmp_path: Path) -> None:
    axes = {"norm": ("bn", {"kind": "gn", "num_groups": 8}), "train.batch_size": (8, 2)}
    sweep = Sweep(plans=(SweepPlan(axes=axes, runs=("bn-s0-1a2b3c4d",)),))
    write_json_atomically(tmp_path / "sweep.json", sweep.to_dict())
    assert read_sweep(tmp_path) == sweep
    found = json.loads((tmp_path / "sweep.json").read_text())
    assert list(found["plans"][0]["axes"]) == ["norm", "train.batch_size"]
    assert found["plans"][0]["axes"]["train.batch_size"] == [8, 2]


def test_a_tuning_is_read_as_it_was_written(tmp_path: Path) -> None:
    chosen = Chosen(**CHOSEN | {"on_edge": (LR,)})
    tuning = Tuning(budget=2, seeds=(100,), grid={LR: (0.1, 0.2)}, chosen=(chosen,))
    assert json.dumps(tuning.to_dict()) == json.dumps(TUNING)  # the order of keys too
    write_json_atomically(tmp_path / "tuning.json", tuning.to_dict())
    assert read_tuning(tmp_path) == tuning


PLAN: dict[str, Any] = {"norms": ("BN", "GN(4)"), "seeds": (0, 1, 2, 3, 4, 5), "looks": (3, 6)}
PLAN |= {"delta": 0.5, "alpha": 0.05, "look": 0}


def test_decisions_are_read_as_they_were_written(tmp_path: Path) -> None:
    values = {"BN": [80.0, 80.1, 79.9], "GN(4)": [70.0, 70.1, None]}
    pairs = decide(values, [("GN(4)", "BN")], (3, 6), 0, 0.5)
    runs = [
        {"run_id": f"{name}-s{seed}", "norm": name, "seed": seed, "accuracy": value and value / 100}
        | {"config_digest": "1a2b", "look": 0}
        for name, of_norm in values.items()
        for seed, value in enumerate(of_norm)
    ]
    data = {"experiment": "seeds", "fingerprint": "ab", "evaluated_on": "test"}
    decisions = Decisions(
        **PLAN,
        pairs=tuple(DecidedPair(**asdict(pair)) for pair in pairs),
        **data,
        runs=tuple(LookedAt(**run) for run in runs),
    )
    expected = {"schema_version": 1, **PLAN, "pairs": [asdict(pair) for pair in pairs], **data, "runs": runs}
    assert json.dumps(decisions.to_dict()) == json.dumps(expected)
    write_json_atomically(tmp_path / "decisions.json", decisions.to_dict())
    assert read_decisions(tmp_path) == decisions


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("norms", norms) for norms in ([], ["BN"], ["BN", "BN"])],
        *[("seeds", seeds) for seeds in ([0] * 6, [0, 1], [])],
        *[("looks", looks) for looks in ([], [1, 6], [6, 3, 6], [3, 3, 6], [3, 12])],
        *[("delta", delta) for delta in (0, -0.5, 101)],
        *[("alpha", alpha) for alpha in (0, 0.5, 2)],
        *[("look", look) for look in (2, -2)],
    ],
)
def test_an_impossible_plan_is_no_plan(key: str, value: Any, tmp_path: Path) -> None:
    content = {"schema_version": 1, **PLAN, "pairs": [], key: value}
    (tmp_path / "decisions.json").write_text(json.dumps(content))
    with pytest.raises(
        RecordError, match=rf"decisions\.json: {'looks' if key == 'seeds' and value != [0] * 6 else key}:"
    ):
        read_decisions(tmp_path)


def test_a_plan_of_a_hundred_looks_is_not_computed(tmp_path: Path) -> None:
    many = {"looks": list(range(2, 101)), "seeds": list(range(100))}
    (tmp_path / "decisions.json").write_text(json.dumps({"schema_version": 1, **PLAN, "pairs": [], **many}))
    with pytest.raises(RecordError, match="at most 20, found 99"):
        read_decisions(tmp_path)


def test_without_a_file_there_is_no_record(tmp_path: Path) -> None:
    assert read_sweep(tmp_path) is None
    assert read_tuning(tmp_path) is None
    assert read_decisions(tmp_path) is None


def test_a_million_wrong_items_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tuning.json").write_text(json.dumps(TUNING | {"chosen": [3] * 1_000_000}))
    with pytest.raises(RecordError, match=r"tuning\.json: chosen\.0: expected a mapping, found 3$"):
        read_tuning(tmp_path)
