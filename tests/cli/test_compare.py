"""`normbench compare` through the real entry point."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from normbench.errors import ConfigError, NormbenchError
from tests.records import make_record, write_run
from tests.tiny import invoke


@pytest.fixture
def results(tmp_path: Path) -> Path:
    root = tmp_path / "results"
    order = {"bn": (0, 1, 2), "gn": (0, 2, 1), "ln": (1, 2, 0)}  # no seed shifts all norms by the same
    for kind, accuracy in (("bn", 0.80), ("gn", 0.78), ("ln", 0.77)):
        for seed in range(3):
            write_run(root, make_record(kind, seed, accuracy=accuracy + order[kind][seed] / 1000))
    return root


def test_the_table_has_a_row_a_norm_with_n_mean_and_interval(results: Path) -> None:
    result = invoke("compare", results)
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.startswith(("BN ", "GN(4) ", "LN "))}
    assert list(rows) == ["BN", "GN(4)", "LN"]
    # 80.0, 80.1, 80.2: mean 80.1, std 0.1, t(2, 0.975) = 4.303: ± 0.248
    assert "80.10 [79.85, 80.35]" in rows["BN"]
    assert rows["BN"].split()[1] == "3"


def test_json_goes_alone_to_stdout_and_notes_to_stderr(results: Path) -> None:
    (results / "broken").mkdir()
    (results / "broken" / "run.json").write_text("{")
    done = subprocess.run(
        [sys.executable, "-m", "normbench", "compare", results, "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(done.stdout)["norms"]
    assert [row["norm"] for row in rows] == ["BN", "GN(4)", "LN"]
    assert rows[0]["test_accuracy"] == pytest.approx(0.801)
    assert "broken" in done.stderr


def test_csv_can_be_read_back(results: Path) -> None:
    rows = list(csv.DictReader(invoke("compare", results, "--format", "csv").stdout.splitlines()))
    assert float(rows[1]["test_accuracy"]) == pytest.approx(0.781)


def test_two_recipes_stand_side_by_side_the_newest_first(results: Path) -> None:
    newer = {"experiment": "other", "finished_at": "2026-01-03T00:00:00+00:00"}
    write_run(results, make_record("bn", 0, 0.5, **newer, config__train__batch_size=8, data__num_train=400))
    shown = invoke("compare", results)
    assert shown.exit_code == 0, shown.output
    overview, first, second = re.split(r"Set \d of 2: ", shown.stdout)
    assert re.findall(r"^\d  +(\w+)", overview, re.MULTILINE) == ["other", "default"]
    assert "batch size 8, folder of 400 images" in first
    assert "folder data, 400 train and" in first
    assert "batch size 64" in second
    assert "folder data, 50,000 train and" in second
    document = json.loads(invoke("compare", results, "--format", "json").stdout)
    assert document["data"]["num_train"] == 400
    assert [each["experiments"] for each in document["sets"]] == ["other", "default"]
    assert [len(each["norms"]) for each in document["other_sets"]] == [3]
    csv_ = invoke("compare", results, "--format", "csv")
    assert [row["num_train"] for row in csv.DictReader(csv_.stdout.splitlines())] == ["400"]
    assert "one of 2 sets" in csv_.stderr


def test_strict_refuses_what_is_shown_side_by_side_otherwise(results: Path) -> None:
    write_run(results, make_record("bn", 0, experiment="other", config__train__batch_size=8))
    refused = invoke("compare", results, "--strict")
    assert isinstance(refused.exception, ConfigError)
    assert "train.batch_size: 64 (9 runs), 8 (1 run)" in str(refused.exception)
    for choice in (("--experiment", "default"), ("--where", "train.batch_size=8")):
        assert "Set 1" not in invoke("compare", results, "--strict", *choice).stdout


def test_the_newest_sets_are_shown_and_the_rest_named(results: Path) -> None:
    for epochs in range(1, 5):
        write_run(results, make_record("bn", experiment=f"e{epochs}", config__train__epochs=epochs))
    assert len(re.findall(r"^Set \d of 5", shown := invoke("compare", results).stdout, re.MULTILINE)) == 3
    assert "--all-sets" in shown
    everything = invoke("compare", results, "--all-sets").stdout
    assert len(re.findall(r"^Set \d of 5", everything, re.MULTILINE)) == 5


def test_sets_are_headings_in_markdown_and_comments_in_latex(results: Path) -> None:
    write_run(results, make_record("bn", experiment="other", config__train__epochs=1))
    assert "\nSet 2 of 2: other, 1 epoch\n" in invoke("compare", results, "--format", "md").stdout
    latex = invoke("compare", results, "--format", "latex").stdout
    assert "\n% Set 2 of 2: other, 1 epoch\n" in latex
    labels = re.findall(r"\\label{(.*)}", latex)
    assert len(set(labels)) == len(labels) >= 2


def test_options_apply_where_they_can_and_are_refused_where_nowhere(results: Path) -> None:
    write_run(results, make_record("in", 0, experiment="other", config__train__epochs=1))
    assert "GN(4) is 1.00 points above LN" in invoke("compare", results, "--baseline", "gn").stdout
    assert "Set 2 of 2" not in invoke("compare", results, "--only", "pairs").stdout.replace("Set 1 of 2", "")
    assert "unknown norm 'pn'" in str(invoke("compare", results, "--baseline", "pn").exception)


def test_published_runs_are_an_example_until_there_are_others(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = results / "published" / "study"
    (results / "default").rename(study.parent.with_name("moved"))
    study.parent.mkdir()
    (results / "moved").rename(study)
    first = invoke("compare")
    assert first.exit_code == 0, first.output
    assert "No runs of your own" in first.stdout
    assert "BN is 2.00 points above GN(4)" in first.stdout
    assert json.loads(invoke("compare", "--format", "json").stdout)["published"] is True
    write_run(results, make_record("bn", 7, experiment="mine"))
    own = invoke("compare").stdout
    assert "published" not in own
    assert [line.split()[1] for line in own.splitlines() if line.startswith("BN ")] == ["1"]
    assert "BN is 2.00 points above GN(4)" in invoke("compare", study).stdout


def test_no_results_is_one_sentence_with_a_way_out(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "normbench", "compare", tmp_path / "nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_is_one_object_of_norms_and_pairs(results: Path) -> None:
    document = json.loads(invoke("compare", results, "--format", "json", "--runs").stdout)
    assert list(document) == [
        *("schema_version", "split", "confidence", "baseline", "delta_points", "by", "experiments", "data", "recipe"),
        *("environment", "differs", "norms", "pairs", "runs", "warnings", "notes", "published", "sets", "other_sets"),
    ]
    gn, ln, between = document["pairs"]
    assert (between["a"], between["b"]) == ("LN", "GN(4)")
    assert (gn["a"], gn["b"], gn["n_a"], gn["verdict"]) == ("GN(4)", "BN", 3, "real")
    assert gn["difference_points"] == pytest.approx(-2)
    assert ln["welch_p"] < gn["welch_p"] < 0.05
    assert ln["welch_p_holm"] == pytest.approx(3 * ln["welch_p"])
    assert document["runs"][0]["folder"] == str(results / "default" / "bn-s0-1a2b3c4d")
    assert len(document["runs"]) == 9
    assert document["environment"]["git_commit"] == [None]


@pytest.mark.parametrize("format", ["table", "md", "latex"])
def test_text_holds_the_verdict_and_the_table(results: Path, format: str) -> None:
    output = invoke("compare", results, "--format", format).stdout
    assert "default: folder data" in output
    assert re.search(r"real(\*\*)?:? +BN is 2.00 points above GN\(4\), 9", output)


def test_csv_holds_one_table_and_names_the_others(results: Path) -> None:
    result = invoke("compare", results, "--format", "csv")
    assert "--only pairs or" in result.stderr
    pairs = list(csv.DictReader(invoke("compare", results, "--format", "csv", "--only", "pairs").stdout.splitlines()))
    assert [(pair["a"], pair["verdict"]) for pair in pairs] == [("GN(4)", "real"), ("LN", "real"), ("LN", "real")]
    metrics = list(
        csv.DictReader(invoke("compare", results, "--format", "csv", "--only", "metrics").stdout.splitlines())
    )
    (accuracy,) = [row for row in metrics if (row["norm"], row["metric"]) == ("BN", "test_accuracy")]
    assert (float(accuracy["min"]), float(accuracy["max"])) == (0.8, 0.802)


def test_by_prints_the_grid_and_the_verdicts_at_each_value(results: Path) -> None:
    for kind, accuracy, step in (("bn", 0.6, 1), ("gn", 0.78, 2)):
        for seed in range(3):
            run_id = f"{kind}-{seed}-2"
            small = {"config__train__batch_size": 2, "run_id": run_id}
            write_run(results, make_record(kind, seed, accuracy + step * seed % 3 / 1000, **small))
    output = invoke("compare", results, "--by", "train.batch_size").stdout
    assert "accuracy in % by batch size" in output
    assert "60.10 [59.85, 60.35] n=3" in output
    assert "batch size 2: GN(4) is 18.00 points above BN" in output
    assert "GN(4) - BN at 2 " in invoke("compare", results, "--by", "train.batch_size", "--full").stdout
    document = json.loads(invoke("compare", results, "--by", "train.batch_size", "--format", "json").stdout)
    assert document["by"] == "train.batch_size"
    assert {"norm": "BN", "key": "train.batch_size", "value": 2, "n": 3}.items() <= document["grid"][0].items()
    assert document["norms"][0]["train.batch_size"] == 2


def test_strict_refuses_what_is_only_named_otherwise(results: Path) -> None:
    write_run(results, make_record("in", 0, environment__torch="2.14.0"))
    for format in ("table", "md", "csv", "json", "latex"):
        named = invoke("compare", results, "--format", format, "--quiet")
        assert named.exit_code == 0
        assert "2.15.0 (BN, GN(4), LN), 2.14.0 (IN)" in named.stdout
    refused = invoke("compare", results, "--strict")
    assert isinstance(refused.exception, ConfigError)
    assert refused.exception.exit_code == 2
    assert "environment.torch: 2.15.0 (BN, GN(4), LN), 2.14.0 (IN)" in str(refused.exception)
    assert invoke("compare", results, "--strict", "--where", "environment.torch=2.15.0").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--delta", "0"], "--delta 0: give points"),
        (["--delta", "nan"], "--delta nan: give points"),
        (["--to-accuracy", "0.8"], "--to-accuracy 0.8: give an accuracy in %"),
        (["--only", "grid"], "needs --by"),
        (["--only", "time_to"], "needs --to-accuracy"),
        (["--only", "pairs", "--where", "norm.kind=bn"], "needs two norms"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(results: Path, arguments: list[str], message: str) -> None:
    result = invoke("compare", results, *arguments)
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


def test_the_gap_of_running_statistics_is_a_column_where_it_was_measured(results: Path) -> None:
    assert "Eval gap" not in invoke("compare", results).stdout
    for seed in range(3, 5):
        measured = {"running": 0.7, "batch": 0.75 + seed / 100, "precise": 0.74, "batch_size": 64}
        write_run(results, make_record("pn", seed, 0.7, statistics=measured))
    output = invoke("compare", results).stdout
    row = next(line for line in output.splitlines() if line.startswith("PN "))
    assert row.split()[-1] == "-8.50"
    assert "Eval gap: accuracy with the running statistics" in invoke("compare", results, "--notes").stdout
    runs = invoke("compare", results, "--only", "runs").stdout
    (last,) = [line for line in runs.splitlines() if line.startswith("PN") and line.split()[1] == "4"]
    assert last.split()[2:] == [
        "70.00",
        "0.620",
        "70.00",
        "79.00",
        "74.00",
        "-9.00",
        "12.5",
        "finished",
        "pn-s4-1a2b3c4d",
    ]


def test_a_norm_with_some_unmeasured_runs_shows_no_gap(results: Path) -> None:
    measured = {"running": 0.7, "batch": 0.75, "precise": 0.74, "batch_size": 64}
    write_run(results, make_record("bn", 7, 0.8, statistics=measured))
    assert "Eval gap" not in invoke("compare", results).stdout


def test_mcnemar_needs_predictions_and_says_so(results: Path) -> None:
    runs = sorted((results / "default").iterdir())[:2]
    result = invoke("compare", "--mcnemar", *runs)
    assert isinstance(result.exception, NormbenchError)
    assert "predictions.npz: no such file" in str(result.exception)


def test_a_thousand_runs_are_compared_without_torch(tmp_path: Path) -> None:
    for number in range(1000):
        kind = ("bn", "gn", "ln", "none")[number % 4]
        write_run(tmp_path, make_record(kind, number, run_id=f"run-{number}", config__train__epochs=1 + number % 5))
    code = (
        "import sys; from normbench.cli.main import app\n"
        "app(['compare', sys.argv[1]], standalone_mode=False)\n"
        "loaded = {'torch', 'matplotlib', 'scipy.stats'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^GN\(4\) +50 ", done.stdout, re.MULTILINE)) == 3


def test_columns_caption_and_label_are_those_asked_for(results: Path) -> None:
    output = invoke("compare", results, "--columns", "n,gap", "--columns", "Test Acc").stdout
    assert "Norm   n    Gap              Test Acc\n" in output
    csv_lines = invoke("compare", results, "--format", "csv", "--columns", "norm,n").stdout.splitlines()
    assert csv_lines == ["norm,n", "BN,3", "GN(4),3", "LN,3"]
    paper = invoke("compare", results, "-f", "latex", "--caption", "My norms", "--label", "tab:mine", "--only", "norms")
    assert (r"\caption{My norms}" in paper.stdout, r"\label{tab:mine}" in paper.stdout) == (True, True)
    for arguments in (["--columns", "gab"], ["--columns", "gap", "--format", "json"]):
        assert isinstance(invoke("compare", results, *arguments).exception, ConfigError)


def test_columns_are_of_the_sets_that_have_them(results: Path) -> None:
    """The first table of a set along a key has a column for each value."""
    names = []
    for size in (8, 32):
        for seed in range(3):
            names.append(f"bn-{seed}-{size}")
            record = make_record("bn", seed, experiment="sizes", config__train__batch_size=size, run_id=names[-1])
            write_run(results, record)
    plan = {"axes": {"norm": ["bn"], "train.batch_size": [8, 32]}, "runs": names}
    (results / "sizes" / "sweep.json").write_text(json.dumps({"schema_version": 1, "plans": [plan]}))
    output = invoke("compare", results, "--columns", "n,gap", "--columns", "32").stdout
    assert re.search(r"^Norm +n +Gap$", output, re.MULTILINE)
    assert re.search(r"^Norm +32$", output, re.MULTILINE)
    refused = invoke("compare", results, "--columns", "gab")
    assert isinstance(refused.exception, ConfigError)
    assert refused.stdout == ""


def test_few_notes_unless_asked_and_none_if_quiet(results: Path) -> None:
    usual = invoke("compare", results).stdout.splitlines()
    assert usual[-1].startswith("Not shown: ")
    assert len(invoke("compare", results, "--notes").stdout.splitlines()) > len(usual)
    quiet = invoke("compare", results, "--quiet").stdout.splitlines()
    assert quiet == usual[: len(quiet)]
    assert not any("Recipe" in line for line in quiet)
