"""Seeds in rounds: the plan is fixed first, and what is written down is what `compare` shows."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from normbench.config import Experiment, load_experiment
from normbench.errors import ConfigError
from normbench.runs.read import read_decisions
from normbench.runs.registries import REGISTRIES
from normbench.runs.run_id import folder_of
from normbench.sweeps.until_decided import Design, judge, keep_design, make_design, runs_at
from tests.records import make_diverged, make_record
from tests.tiny import invoke

YAML = """
extends: default.yaml
name: rounds
seeds: [3, 5]
sweep: {norm: [bn, gn, ln]}
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    (tmp_path / "rounds.yaml").write_text(YAML)
    return load_experiment(tmp_path / "rounds.yaml", REGISTRIES)


def design_of(experiment: Experiment, results: Path, max_seeds: int = 15, delta: float = 0.5) -> Design:
    return make_design(experiment, experiment.runs, delta, max_seeds, results)


def finish(design: Design, look: int, accuracies: dict[str, Sequence[float | None]], results: Path) -> None:
    """Writes records for the first seeds of a look: accuracies in %, None for a run that diverged."""
    for name, config in design.norms.items():
        for seed, accuracy in zip(design.seeds[: design.looks[look]], accuracies[name], strict=False):
            folder = folder_of(config.for_seed(seed), results)
            folder.path.mkdir(parents=True, exist_ok=True)
            kind = config.norm.name
            about = {"experiment": "rounds", "run_id": folder.path.name}
            if accuracy is None:
                record = make_diverged(kind, seed, **about)
            else:
                record = make_record(kind, seed, accuracy / 100, **about)
            folder.record.write_text(json.dumps(record))


def around(mean: float, number: int, std: float = 0.2) -> list[float]:
    return [mean + std * (-1) ** index for index in range(number)]


def test_the_experiments_seeds_come_first_and_others_follow(experiment: Experiment, tmp_path: Path) -> None:
    design = design_of(experiment, tmp_path)
    assert design.looks == (3, 6, 9, 12, 15)
    assert design.seeds[:4] == (3, 5, 6, 7)
    assert len(set(design.seeds)) == 15
    first = runs_at(design, 0, ())
    assert [(run.norm.name, run.seed) for run in first[:4]] == [("bn", 3), ("gn", 3), ("ln", 3), ("bn", 5)]
    assert len(first) == 9


def test_only_norms_of_undecided_pairs_get_more_seeds(experiment: Experiment, tmp_path: Path) -> None:
    """LN is far off; BN and GN are as close as noise lets one see."""
    design = design_of(experiment, tmp_path)
    finish(design, 0, {"BN": (80, 80.5, 79.5), "GN(4)": (80.3, 79.6, 81), "LN": (50, 50.1, 49.9)}, tmp_path)
    decisions = judge(design, 0, tmp_path)
    assert {(pair.a, pair.b): pair.kind for pair in decisions} == {
        ("GN(4)", "BN"): "undecided",
        ("LN", "BN"): "real",
        ("LN", "GN(4)"): "real",
    }
    more = runs_at(design, 1, decisions)
    assert {run.norm.name for run in more} == {"bn", "gn"}
    assert {run.seed for run in more} == set(design.seeds[:6])


def test_a_sweep_killed_between_looks_decides_the_same(experiment: Experiment, tmp_path: Path) -> None:
    design = design_of(experiment, tmp_path)
    values = {"BN": around(80, 6), "GN(4)": around(80.1, 6), "LN": around(70, 6)}
    finish(design, 0, values, tmp_path)
    first = judge(design, 0, tmp_path)
    finish(design, 1, values, tmp_path)
    again = design_of(experiment, tmp_path)  # the plan is what it was
    assert judge(again, 0, tmp_path) == first
    assert judge(again, 1, tmp_path) == judge(design, 1, tmp_path)


@pytest.mark.parametrize(("max_seeds", "delta", "key"), [(20, 0.5, "seeds"), (15, 0.3, "delta")])
def test_a_plan_may_not_change_after_a_look(
    max_seeds: int, delta: float, key: str, experiment: Experiment, tmp_path: Path
) -> None:
    design = design_of(experiment, tmp_path)
    finish(design, 0, {"BN": around(80, 3), "GN(4)": around(80, 3), "LN": around(70, 3)}, tmp_path)
    judge(design, 0, tmp_path)
    with pytest.raises(ConfigError, match=f"begun with {key}"):
        design_of(experiment, tmp_path, max_seeds, delta)


def test_diverged_runs_take_their_place_in_the_plan(experiment: Experiment, tmp_path: Path) -> None:
    design = design_of(experiment, tmp_path)
    finish(design, 0, {"BN": around(80, 3), "GN(4)": [80, None, 80.4], "LN": [None] * 3}, tmp_path)
    decisions = {(pair.a, pair.b): pair for pair in judge(design, 0, tmp_path)}
    assert "1 of 3 GN(4) runs diverged" in decisions["GN(4)", "BN"].text
    assert decisions["LN", "BN"].kind == "undefined"
    assert not decisions["LN", "BN"].goes_on


def test_another_axis_or_one_norm_has_nothing_to_decide(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(YAML.replace("norm: [bn, gn, ln]", "norm: [bn, ln], train.batch_size: [8, 64]"))
    with pytest.raises(ConfigError, match=r"take train.batch_size out of sweep"):
        design_of(load_experiment(file, REGISTRIES), tmp_path)
    file.write_text(YAML.replace("[bn, gn, ln]", "[bn]"))
    with pytest.raises(ConfigError, match="two norms"):
        design_of(load_experiment(file, REGISTRIES), tmp_path)


def test_runs_that_were_compared_before_the_plan_are_refused(experiment: Experiment, tmp_path: Path) -> None:
    design = design_of(experiment, tmp_path)
    values = {"BN": around(80, 3), "GN(4)": [80.0], "LN": []}
    finish(design, 0, values, tmp_path)
    assert design_of(experiment, tmp_path) == design  # of one norm's runs there is no verdict
    finish(design, 0, values | {"GN(4)": [80.0, 80.4]}, tmp_path)
    with pytest.raises(ConfigError, match=r"(?s)--until-decided: 5 runs.*--set name=.*seeds=\[19\]"):
        design_of(experiment, tmp_path)


def test_runs_made_by_the_plan_are_not_older_than_it(experiment: Experiment, tmp_path: Path) -> None:
    design = design_of(experiment, tmp_path)
    keep_design(design, tmp_path)
    finish(design, 0, {"BN": around(80, 3), "GN(4)": around(80, 3), "LN": around(70, 3)}, tmp_path)
    assert design_of(experiment, tmp_path) == design  # a sweep that was killed before its first look goes on
    with pytest.raises(ConfigError, match="begun with delta"):
        design_of(experiment, tmp_path, delta=0.3)


def test_a_plan_without_a_run_may_change(experiment: Experiment, tmp_path: Path) -> None:
    keep_design(design_of(experiment, tmp_path), tmp_path)
    other = design_of(experiment, tmp_path, max_seeds=5, delta=0.3)
    keep_design(other, tmp_path)
    written = read_decisions(tmp_path / "rounds")
    assert (written.delta, written.looks, written.look) == (0.3, other.looks, -1)


def test_compare_shows_the_verdicts_of_the_rounds_for_its_runs_only(experiment: Experiment, tmp_path: Path) -> None:
    design = design_of(experiment, tmp_path, delta=1.5)
    values = {"BN": (80, 80.5, 79.5), "GN(4)": (80.3, 79.6, 81), "LN": (50, 50.1, 49.9)}
    finish(design, 0, values, tmp_path)
    decisions = judge(design, 0, tmp_path)
    command = ("compare", tmp_path / "rounds", "--all-pairs", "--format", "json", "--quiet")
    document = json.loads(invoke(*command).stdout)
    shown = {(pair["a"], pair["b"]): pair["verdict_text"] for pair in document["pairs"]}
    assert shown == {(pair.a, pair.b): pair.text for pair in decisions}
    plan = document["until_decided"]
    assert (plan["looks"], plan["looks_taken"], plan["alpha"]) == ([3, 6, 9, 12, 15], 1, 0.05)
    assert (document["delta_points"], plan["delta_points"]) == (1.5, 1.5)  # unless --delta says otherwise
    assert [pair["looks_taken"] for pair in document["pairs"]] == [1, 1, 1]
    assert any("1 look of those planned at 3, 6, 9, 12, 15 seeds" in note for note in document["notes"])
    assert "until_decided" not in json.loads(invoke(*command, "--delta", "0.5").stdout)

    finish(design, 0, values | {"LN": (50, 50.1, 50.2)}, tmp_path)
    document = json.loads(invoke(*command).stdout)
    assert "until_decided" not in document
    assert [pair["looks_taken"] for pair in document["pairs"]] == [None] * 3
    assert any("another result" in sentence for sentence in document["differs"])
    assert not any("planned at" in note for note in document["notes"])


PLAN = {"schema_version": 1, "norms": ["BN"], "seeds": [0], "looks": [1], "look": 0, "pairs": [], "alpha": 0.05}


@pytest.mark.parametrize(
    "content",
    [
        *("{", "[]", '{"schema_version": 99}', '{"schema_version": 1, "pairs": 3}', json.dumps(PLAN)),
        json.dumps(PLAN | {"delta": 10**400}),  # more than a number can be, without a decimal point
    ],
)
def test_damaged_decisions_are_named(content: str, experiment: Experiment, tmp_path: Path) -> None:
    design = design_of(experiment, tmp_path)
    finish(design, 0, {"BN": around(80, 3), "GN(4)": around(80.1, 3), "LN": around(70, 3)}, tmp_path)
    (tmp_path / "rounds" / "decisions.json").write_text(content)
    result = invoke("compare", tmp_path / "rounds")
    assert result.exit_code == 0
    assert "decisions.json" in result.stderr
    assert "do not allow for any look before" in " ".join(result.stderr.split())
