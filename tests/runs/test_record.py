"""`run.json`: good records are read as they were written, bad ones are refused in one sentence."""

import json
from pathlib import Path

import pytest

from normbench.runs.folder import RunFolder
from normbench.runs.read import RecordError, read_record
from tests.records import make_diverged, make_record, write_run


@pytest.mark.parametrize(
    "record",
    [
        make_record(),
        make_record(split="val"),
        make_diverged(),
        make_record(statistics=None),
        make_record(environment_changes={"torch": ["1.0", None]}),
        make_record(statistics={"running": 0.8, "batch": 0.81, "precise": 0.82, "batch_size": 64}),
        make_record(
            statistics={"running": 0.8, "batch": 0.81, "precise": 0.82, "batch_size": 64, "precise_augmented": True}
        ),
    ],
)
def test_a_good_record_is_read_as_written(record: dict, tmp_path: Path) -> None:
    folder = RunFolder(write_run(tmp_path, record))
    written = read_record(folder).to_dict()
    assert {key: written[key] for key in record} == record


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "schema_version 2: this normbench reads 1; a newer normbench wrote it: upgrade"),
        ({"schema_version": "1"}, "schema_version '1'"),
        ({"schema_version": "x" * 100_000}, f"schema_version 'xx{'x' * 54}...: this normbench reads 1"),
        ({"seed": "0"}, "seed: expected a whole number, found '0'"),
        ({"seed": True}, "seed: expected a whole number, found True"),
        ({"status": "running"}, "status: expected finished or diverged, found 'running'"),
        ({"data__evaluated_on": "train"}, "data.evaluated_on: expected test or val"),
        ({"metrics__test_accuracy": None}, "metrics.test_accuracy: expected a number, found None"),
        ({"metrics__test_accuracy": 79.5}, "metrics.test_accuracy: 79.5 is not a fraction"),
        ({"statistics": [0.7]}, "statistics: expected a mapping"),
        ({"statistics": {"running": 0.7, "batch": 0.7}}, "statistics.precise is missing"),
        ({"statistics": {"running": 70, "batch": 0.7, "precise": 0.7}}, "statistics.running: 70 is not a fraction"),
        ({"environment_changes": ["torch"]}, "environment_changes: expected a mapping, found ['torch']"),
        ({"environment_changes": {"torch": "1.0"}}, "environment_changes.torch: expected a list, found '1.0'"),
        ({"timing__train_s_per_epoch": "fast"}, "timing.train_s_per_epoch: expected a number"),
        ({"label": "BN\x1b[31m"}, "label: holds control characters"),
        ({"experiment": "a\u202eb"}, "experiment: holds control characters"),
        ({"environment__cpu": "\x9b2J"}, "environment.cpu: holds control characters"),
        ({"config__train__\x07": 1}, "a key: holds control characters"),
    ],
)
def test_a_record_that_breaks_its_promise_is_refused(changes: dict, message: str, tmp_path: Path) -> None:
    folder = write_run(tmp_path, make_record(experiment="default"))
    (folder / "run.json").write_text(json.dumps(make_record(**changes)))
    with pytest.raises(RecordError) as caught:
        read_record(RunFolder(folder))
    assert str(folder / "run.json") in str(caught.value)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b'{"schema_version": 1, ', "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"loss": NaN}', "NaN is not JSON"),
        (b"[]", "not a record of normbench"),
        (b'{"accuracy": 0.9}', "not a record of normbench"),
        (b'{"schema_version": 1}', "run_id is missing"),
    ],
)
def test_what_is_no_record_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RecordError, match=message):
        read_record(RunFolder(tmp_path))


def test_numbers_beyond_all_measure_are_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path, make_record())
    text = (folder / "run.json").read_text()
    for loss in ("1e999", "1" + "0" * 400):
        (folder / "run.json").write_text(text.replace('"train_loss": 0.61', f'"train_loss": {loss}'))
        with pytest.raises(RecordError):
            read_record(RunFolder(folder))


def test_a_folder_without_a_record_is_unfinished(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="not finished"):
        read_record(RunFolder(tmp_path))


RESULTS = Path(__file__).parents[2] / "results"


@pytest.mark.parametrize("path", sorted(RESULTS.rglob("run.json")), ids=lambda path: path.parent.name)
def test_the_records_in_the_repository_are_read(path: Path) -> None:
    """Of several versions of normbench; a record of today's has the bytes that it would be written with."""
    record = read_record(RunFolder(path.parent)).to_dict()
    text = path.read_text()
    found = json.loads(text)
    assert {key: record[key] for key in found} == found
    if "environment_changes" in found:
        assert json.dumps(record, indent=2, ensure_ascii=False) + "\n" == text
