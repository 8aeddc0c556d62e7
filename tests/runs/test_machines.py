"""What is chosen by measuring is chosen once for an experiment on a machine."""

import json
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from normbench.runs.environment import describe_environment
from normbench.runs.machines import decided, decided_precision, facts_now
from tests.records import make_record, write_run

CPU = torch.device("cpu")
WAYS = ("lanes", "wide")


def never() -> str:
    raise AssertionError("measured again")


def test_a_choice_is_measured_once(tmp_path: Path) -> None:
    assert decided(tmp_path, CPU, "way", WAYS, lambda: "wide") == "wide"
    assert decided(tmp_path, CPU, "way", WAYS, never) == "wide"
    assert decided(tmp_path, CPU, "another way", WAYS, lambda: "lanes") == "lanes"
    assert decided(tmp_path, CPU, "way", WAYS, never, keep=False) == "wide"
    (machine,) = json.loads((tmp_path / "machines.json").read_text())["machines"]
    assert machine == {"facts": facts_now(CPU), "choices": {"way": "wide", "another way": "lanes"}}


def test_another_machine_makes_its_own_choice(tmp_path: Path) -> None:
    decided(tmp_path, CPU, "way", WAYS, lambda: "wide")
    file = tmp_path / "machines.json"
    content = json.loads(file.read_text())
    content["machines"][0]["facts"]["processor"] = "another processor"
    file.write_text(json.dumps(content))
    assert decided(tmp_path, CPU, "way", WAYS, lambda: "lanes") == "lanes"
    assert len(json.loads(file.read_text())["machines"]) == 2


def test_a_choice_from_before_levels_holds_and_one_of_another_level_does_not(tmp_path: Path) -> None:
    decided(tmp_path, CPU, "way", WAYS, lambda: "wide")
    file = tmp_path / "machines.json"
    content = json.loads(file.read_text())
    facts = content["machines"][0]["facts"]
    facts["kernel_level"] = "another level"
    file.write_text(json.dumps(content))
    assert decided(tmp_path, CPU, "way", WAYS, lambda: "lanes", keep=False) == "lanes"
    del facts["kernel_level"]
    file.write_text(json.dumps(content))
    assert decided(tmp_path, CPU, "way", WAYS, never) == "wide"


def test_without_keep_nothing_is_written(tmp_path: Path) -> None:
    assert decided(tmp_path / "new", CPU, "way", WAYS, lambda: "wide", keep=False) == "wide"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", '{"schema_version": 99}', '{"schema_version": 1, "machines": 3}'),
        '{"schema_version": 1, "machines": [{"facts": {"processor": 1}, "choices": {}}]}',
    ],
)
def test_a_damaged_file_is_said_and_the_choice_made_again(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "normbench")
    (tmp_path / "machines.json").write_text(content)
    assert decided(tmp_path, CPU, "way", WAYS, lambda: "wide") == "wide"
    assert len(caplog.messages) == 1
    assert "machines.json" in caplog.text
    assert decided(tmp_path, CPU, "way", WAYS, never) == "wide"


def test_an_unknown_value_is_no_choice(tmp_path: Path) -> None:
    decided(tmp_path, CPU, "way", ("fp8",), lambda: "fp8")
    assert decided(tmp_path, CPU, "way", WAYS, lambda: "wide") == "wide"


def test_a_file_that_cannot_be_written_loses_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "normbench")
    (tmp_path / "machines.json").mkdir()
    assert decided(tmp_path, CPU, "way", WAYS, lambda: "wide") == "wide"
    assert "for this command alone" in caplog.text


def test_two_that_decide_at_once_agree(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        Thread(target=lambda way=way: found.append(decided(tmp_path, CPU, "way", WAYS, lambda: way))) for way in WAYS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert len(set(found)) == 1


def test_runs_from_before_the_file_decide(tmp_path: Path) -> None:
    """Those of this machine whose config left the precision open."""
    here = describe_environment(CPU)
    others: list[dict[str, Any]] = [
        {"environment": here | {"cpu": "another processor"}},
        {"environment": here, "config__train__precision": "fp32"},
    ]
    for seed, changes in enumerate(2 * others):
        write_run(tmp_path, make_record("bn", seed, precision="fp32", **changes))
    experiment = tmp_path / "default"
    assert decided_precision(experiment, CPU, lambda: "fp32", keep=False) == "fp32"
    write_run(tmp_path, make_record("gn", precision="bf16", environment=here))
    assert decided_precision(experiment, CPU, never) == "bf16"
