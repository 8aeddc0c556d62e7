"""Folders -> runs: what cannot be read is named, never a crash."""

from pathlib import Path

import pytest

from normbench.errors import ConfigError
from tests.records import compare_folder, make_record, write_run


def test_folders_without_a_good_record_are_named(tmp_path: Path) -> None:
    write_run(tmp_path, make_record("bn"))
    damaged = write_run(tmp_path, make_record("gn"))
    (damaged / "run.json").write_text("{")
    for name, config in (("half", "name: x\nnorm: gn\ntrain: {}\nseeds: [0]\n"), ("hydra", "lr: 1\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(config)
    (tmp_path / "junk\x1b").mkdir()
    comparison, notes = compare_folder(tmp_path)
    assert [row.label for row in comparison.rows] == ["BN"]
    unfinished, broken, foreign = notes
    assert unfinished.startswith(f"unfinished, left out: 1 run: {tmp_path / 'half'};")
    assert f"{damaged / 'run.json'}: not valid JSON" in broken
    assert "hydra" in foreign
    assert "junk\\x1b" in foreign
    assert foreign.isprintable()


def test_no_run_at_all_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no finished run in .*normbench train"):
        compare_folder(tmp_path)


def test_many_bad_folders_do_not_bury_the_table(tmp_path: Path) -> None:
    write_run(tmp_path, make_record("bn"))
    for number in range(20):
        (tmp_path / f"x{number}").mkdir()
        (tmp_path / f"x{number}" / "run.json").write_text("{")
    _, notes = compare_folder(tmp_path)
    assert len(notes) == 6
    assert notes[-1] == "left out: 15 more records that cannot be read"
