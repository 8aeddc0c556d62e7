"""Finished runs for other tools, read back by these tools."""

import csv
import io
import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from normbench.errors import ConfigError
from tests.records import make_diverged, make_record, write_run
from tests.tiny import invoke

EPOCHS = "epoch,lr,train_loss,train_accuracy,test_loss,test_accuracy,train_s,eval_s,images_per_s\n"


def write_trained(results: Path, kind: str, seed: int, **changes: object) -> None:
    record = make_record(kind, seed, accuracy=0.8, config__train__epochs=2, **changes)
    last = record["metrics"]
    folder = write_run(results, record)
    values = [last[key] for key in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")]
    rows = ["1,0.1,1.5,0.5,1.4,0.55,10,1,5000", f"2,0.05,{','.join(map(str, values))},10,1,5000"]
    (folder / "metrics.csv").write_text(EPOCHS + "\n".join(rows) + "\n")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two seeds of two norms, and a run that diverged."""
    for kind in ("bn", "gn"):
        for seed in (0, 1):
            write_trained(tmp_path / "results", kind, seed)
    write_run(tmp_path / "results", make_diverged("ln", 0, config__train__epochs=2))
    return tmp_path / "results"


def test_csv_has_a_row_for_each_epoch_of_each_run(results: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(invoke("export", "csv", results).stdout)))
    assert len(rows) == 2 * 4 + 1
    assert {(row["norm"], row["seed"], row["epoch"]) for row in rows[:4]} == {
        ("BN", seed, epoch) for seed in "01" for epoch in "12"
    }
    assert rows[0]["test_accuracy"] == "0.55"
    assert [row["epoch"] for row in rows if row["status"] == "diverged"] == [""]
    invoke("export", "csv", results, "--output", tmp_path / "epochs.csv")
    assert list(csv.DictReader(io.StringIO((tmp_path / "epochs.csv").read_text()))) == rows


def test_settings_that_differ_are_columns(tmp_path: Path) -> None:
    write_trained(tmp_path, "bn", 0)
    write_trained(tmp_path, "gn", 0, config__train__batch_size=8)
    rows = list(csv.DictReader(io.StringIO(invoke("export", "csv", tmp_path).stdout)))
    assert [row["train.batch_size"] for row in rows] == ["64", "64", "8", "8"]
    assert "train.precision" not in rows[0]


def test_parquet_has_the_rows_of_csv(results: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert invoke("export", "parquet", tmp_path / "epochs.parquet", results).exit_code == 0
    rows = parquet.read_table(tmp_path / "epochs.parquet").to_pylist()
    assert [(row["norm"], row["epoch"], row["test_accuracy"]) for row in rows[:2]] == [("BN", 1, 0.55), ("BN", 2, 0.8)]
    assert rows[-1]["epoch"] is None


def test_tensorboard_reads_the_curves_and_groups_seeds(results: Path, tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    groups = {}
    for _ in range(2):  # the same export again adds nothing
        assert invoke("export", "tensorboard", tmp_path / "events", results).exit_code == 0
    runs = sorted(path.parent for path in (tmp_path / "events").rglob("events.out.tfevents*"))
    assert len(runs) == 5
    for run in runs:
        events = EventAccumulator(str(run)).Reload()
        if run.name.startswith("ln"):  # diverged
            assert events.Tags()["scalars"] == []
            continue
        curve = [(event.step, pytest.approx(event.value)) for event in events.Scalars("accuracy/test")]
        assert curve == [(1, 0.55), (2, 0.8)]
        (content,) = (events.SummaryMetadata(metadata.SESSION_START_INFO_TAG),)
        info = metadata.parse_session_start_info_plugin_data(content.plugin_data.content)
        groups[run.name] = info.group_name
        assert info.hparams["norm"].string_value == ("BN" if run.name.startswith("bn") else "GN(4)")
    assert groups["bn-s0-1a2b3c4d"] == groups["bn-s1-1a2b3c4d"] != groups["gn-s0-1a2b3c4d"]


def test_mlflow_finds_seeds_below_their_norm_and_nothing_twice(results: Path, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    first, again = (invoke("export", "mlflow", results, "--to", store) for _ in range(2))
    assert first.exit_code == 0, first.exception
    assert "8 runs written, 0 there already" in first.stderr
    assert "0 runs written, 8 there already" in again.stderr
    folder = next(results.rglob("gn-s1*"))
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"git_commit": "0123abcd"}))
    assert "1 run written, 7 there already" in invoke("export", "mlflow", results, "--to", store).stderr

    client = mlflow.MlflowClient(tracking_uri=store)
    (experiment,) = (found for found in client.search_experiments() if found.name != "Default")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert len(runs) == 8
    parent, child = runs["GN(4)"], runs["gn-s1-1a2b3c4d"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.params["seed"] == "1"
    assert Path(child.data.tags["folder"]) == folder
    curve = client.get_metric_history(child.info.run_id, "accuracy/test")
    assert [(point.step, point.value) for point in curve] == [(1, 0.55), (2, 0.8)]
    assert parent.data.metrics["n"] == 2
    assert parent.data.metrics["mean/test_accuracy"] == pytest.approx(0.8)
    assert "verdict.BN" in parent.data.tags
    assert runs["LN"].data.metrics["n"] == 0
    assert runs["ln-s0-1a2b3c4d"].info.status == "FAILED"
    (tmp_path / "no.db").write_text("no database")
    for refused in ("nowhere://x", f"sqlite:///{tmp_path / 'no.db'}"):
        assert isinstance(invoke("export", "mlflow", results, "--to", refused).exception, ConfigError)


def test_nothing_to_export_and_no_place_for_it_are_said(results: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no finished run" in str(invoke("export", "csv", tmp_path / "empty").exception)
    (tmp_path / "file").write_text("")
    refused = invoke("export", "tensorboard", tmp_path / "file", results).exception
    assert isinstance(refused, ConfigError)


def test_a_formula_in_a_record_stays_text(results: Path) -> None:
    folder = next(results.rglob("bn-s0*"))
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"label": "=1+1"}))
    assert "'=1+1" in invoke("export", "csv", results).stdout
