"""Folders -> runs: what cannot be read is named, and a thousand runs need no torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from normbench.analysis.compare.load import compare_runs
from normbench.errors import ConfigError
from tests.records import make_record, write_run


def test_folders_without_a_good_record_are_named(tmp_path: Path) -> None:
    write_run(tmp_path, make_record("bn"))
    damaged = write_run(tmp_path, make_record("gn"))
    (damaged / "run.json").write_text("{")
    for name, config in (("half", "name: x\nnorm: gn\ntrain: {}\nseeds: [0]\n"), ("hydra", "lr: 1\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(config)
    (tmp_path / "junk\x1b").mkdir()
    comparison, notes = compare_runs([tmp_path])
    assert [row.label for row in comparison.rows] == ["BN"]
    unfinished, broken, foreign = notes
    assert unfinished.startswith(f"unfinished, left out: 1 run: {tmp_path / 'half'};")
    assert f"{damaged / 'run.json'}: not valid JSON" in broken
    assert "hydra" in foreign
    assert "junk\\x1b" in foreign
    assert foreign.isprintable()


def test_no_run_at_all_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no finished run in .*normbench train"):
        compare_runs([tmp_path])


def test_many_bad_folders_do_not_bury_the_table(tmp_path: Path) -> None:
    write_run(tmp_path, make_record("bn"))
    for number in range(20):
        (tmp_path / f"x{number}").mkdir()
        (tmp_path / f"x{number}" / "run.json").write_text("{")
    _, notes = compare_runs([tmp_path])
    assert len(notes) == 6
    assert notes[-1] == "left out: 15 more records that cannot be read"


def test_a_thousand_runs_are_compared_without_torch(tmp_path: Path) -> None:
    for number in range(1000):
        kind = ("bn", "gn", "ln", "none")[number % 4]
        write_run(tmp_path, make_record(kind, number, run_id=f"run-{number}"))
    code = (
        "import sys; from pathlib import Path; from rich.console import Console\n"
        "from normbench.analysis.compare.load import compare_runs\n"
        "from normbench.present.tables.norms import comparison_table\n"
        "from normbench.present.tables.render import render\n"
        "comparison, notes = compare_runs([Path(sys.argv[1])])\n"
        "render(comparison_table(comparison), 'table', Console())\n"
        "assert [row.n for row in comparison.rows] == [250] * 4, comparison.rows\n"
        "loaded = {'torch', 'matplotlib', 'scipy.stats'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    assert "GN(4)" in done.stdout
