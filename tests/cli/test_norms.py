"""`normbench norms`: the registry as a table."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from normbench.bench.step_times import Ratio
from normbench.errors import ConfigError
from normbench.models.norm_cards import norm_cards
from normbench.norms import NORM_REGISTRY, NORMS
from normbench.norms.description import describe
from normbench.present.tables.norm_cards import norm_table
from normbench.present.tables.norm_list import norm_list
from normbench.present.tables.render import render
from normbench.present.terminal.norm_card import print_norm
from tests.installed_norms import install_norms
from tests.tiny import invoke

TIMES = {kind: Ratio(1 + index / 8, 0.9 + index / 8, 1.1 + index / 8) for index, kind in enumerate(NORMS)}


def records() -> dict[str, dict]:
    result = invoke("norms", "--format", "json")
    assert result.exit_code == 0, result.output
    return {record["norm"]: record for record in json.loads(result.stdout)}


def test_lists_every_norm_with_numbers_worked_by_hand() -> None:
    found = records()
    assert list(found) == list(NORMS)
    channels = 208  # of the eight norm layers together
    assert {kind: record["norm_parameters"] for kind, record in found.items()} == {
        **dict.fromkeys(("bn", "gn", "ln", "ln-c", "in", "gbn", "brn", "pn"), 2 * channels),
        "ln-chw": 149_504,
        "rms": channels,
        "frn": 3 * channels,
        "evo-s0": 3 * channels,
        "dyt": 2 * channels + 8,
        "none": 0,
    }
    assert all(record["num_parameters"] == 39_978 + record["norm_parameters"] for record in found.values())
    assert [kind for kind, record in found.items() if not record["fits_budget"]] == ["ln-chw"]


def test_what_is_learned_and_stored_is_read_off_the_layers() -> None:
    found = records()
    assert found["brn"]["learns"] == "weight [C], bias [C]"
    assert found["brn"]["stores"] == "running_mean [C], running_std [C], num_batches_tracked"
    assert found["ln-chw"]["learns"] == "weight [C, H, W], bias [C, H, W]"
    assert found["dyt"]["learns"] == "weight [C], bias [C], alpha [1]"
    assert found["none"]["learns"] == found["gn"]["stores"] == ""


@pytest.mark.parametrize("kind", NORMS)
def test_the_sentence_is_one_and_whole(kind: str) -> None:
    sentence = records()[kind]["does"]
    assert 20 < len(sentence) < 120
    assert sentence.endswith(".")


@pytest.mark.parametrize("width", [80, 100, 140, 200])
def test_the_full_table_fits_the_terminal_and_keeps_the_numbers(width: int) -> None:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    table = norm_table(norm_cards(49_999)[0], TIMES)
    render(table, "table", console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    rows = {line.split()[0]: line.split() for line in lines if line.split()[:1] and line.split()[0] in NORMS}
    assert rows["ln-chw"].count("189,482") == 1
    assert list(rows) == list(NORMS)


@pytest.mark.parametrize("width", [80, 100])
def test_the_list_is_one_screen_with_a_line_for_each_norm(width: int) -> None:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    render(norm_list([describe(kind, norm) for kind, norm in NORMS.items()]), "table", console)
    lines = console.file.getvalue().splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in NORMS] == list(NORMS)


def test_the_list_says_what_shares_statistics_and_what_is_learned_and_stored() -> None:
    lines = {line.split(" ")[0]: line.split() for line in invoke("norms").stdout.splitlines()}
    assert lines["bn"][1:] == ["Batch", "norm", "N", "H", "W", "γ", "β", "mean", "var"]
    assert lines["brn"][-2:] == ["mean", "std"]
    assert lines["dyt"][1:] == ["Dynamic", "tanh", "γ", "β", "α"]
    assert lines["none"][1:] == ["No", "norm"]


def test_the_full_table_piped_is_one_line_for_each_norm() -> None:
    lines = invoke("norms", "--full").stdout.splitlines()
    rows = [line for line in lines if line.split(" ")[0] in NORMS]
    assert len(rows) == len(NORMS)
    assert "  running_mean [C], running_var [C], num_batches_tracked  " in rows[0]
    assert not any(line.endswith(" ") for line in lines)


@pytest.mark.parametrize("kind", NORMS)
def test_one_norm_is_shown_with_formula_options_and_other_names(kind: str) -> None:
    description = describe(kind, NORM_REGISTRY[kind])
    text = invoke("norms", kind.upper()).stdout
    assert description.sentence in " ".join(text.split())
    assert "y =" in text
    assert "ConfigError" not in text
    assert all(f"norm.{name}" in text for name in description.options)
    assert all(alias in text for alias in description.aliases)
    (record,) = json.loads(invoke("norms", kind, "--format", "json").stdout)
    assert record["options"] == description.options


def test_a_norm_of_ones_own_is_shown_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shown_norm.py").write_text(
        "from torch import nn\nclass Scale(nn.Identity):\n    'Scales. y = x'\n"
        "    def __init__(self, num_channels, *, by: float = 2.0): super().__init__()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    text = invoke("norms", "shown_norm:Scale").stdout
    assert "Scales. y = x" in text
    assert re.search(r"norm\.by +2\.0", text)


def test_a_very_narrow_terminal_gets_the_text_of_a_norm() -> None:
    console = Console(width=3, file=io.StringIO())
    print_norm(describe("gn", NORMS["gn"]), "GN(4)", console)
    assert "norm.num_groups" in console.file.getvalue()


@pytest.mark.parametrize("arguments", [["gm"], ["gn", "--full"], ["gn", "--format", "csv"]])
def test_what_cannot_be_shown_of_one_norm_is_refused(arguments: list[str]) -> None:
    assert isinstance(invoke("norms", *arguments).exception, ConfigError)


def test_a_limit_lifted_fits_all() -> None:
    assert all(card.fits_budget for card in norm_cards(None)[0])


@pytest.mark.parametrize("format_", ["md", "latex", "csv"])
def test_other_formats(format_: str) -> None:
    text = invoke("norms", "--full", "--format", format_).stdout
    if format_ == "csv":
        assert [row["norm"] for row in csv.DictReader(io.StringIO(text))] == list(NORMS)
    assert all(kind in text for kind in NORMS)
    if format_ == "md":
        assert text.splitlines()[3].count("|:-") == 4
    if format_ == "latex":
        assert r"\begin{tabular}{@{}lllrr@{}}" in text


def test_a_package_that_cannot_be_imported_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_norms(tmp_path, monkeypatch, gone="gone:X", mine="torch.nn:BatchNorm2d")
    result = invoke("norms", "--format", "json")
    assert [record["norm"] for record in json.loads(result.stdout)] == [*NORMS, "mine"]
    assert "note: norm 'gone' (gone:X) cannot be imported" in result.stderr


def test_time_adds_a_column() -> None:
    result = invoke("norms", "--time", "--rounds", 1, "--device", "cpu", "--format", "json")
    assert result.exit_code == 0, result.output
    found = {record["norm"]: record["step_relative_to_bn"] for record in json.loads(result.stdout)}
    assert list(found) == list(NORMS)
    assert found["bn"] == 1.0
    assert all(ratio > 0 for ratio in found.values())
    assert f"timing {len(NORMS)} norms" in result.stderr
