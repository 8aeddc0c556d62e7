"""Hostile names in a YAML file, a folder or a record are shown and written as text, and steer nothing."""

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from normbench.cli.main import main
from normbench.cli.output import say
from normbench.errors import ConfigError
from normbench.norms import norm_folder_name
from normbench.present.report.names import slugs
from normbench.present.tables.render import FORMATS
from normbench.text import printable_lines
from tests.records import make_record, write_run
from tests.tiny import invoke

ESCAPES = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e"
EVIL = (
    '=HYPERLINK("http://x")',
    "@SUM(1)",
    "[red]x[/red][link=http://x]y[/link]",
    "[a](http://x)![b](http://x)",
    "[c]: http://x",
    "<script>alert(1)</script>&amp;",
    "\\input{/etc/passwd}",
    "$\\frac{1}$ % # & _ ^ ~",
    "`code` | cell **bold**",
    "--> ]]> </text>",
    ":smile:",
)
"""Names that can be printed."""


@pytest.mark.parametrize("text", [r'"\e[31m"', r'"a\nb"', r'"\x9b"', r'"\u202E"', r'"\0"'])
@pytest.mark.parametrize("key", ["name", "data: {dir", "data: {urls", "norm: {kind", "data: {source"])
def test_text_of_a_config_that_could_steer_a_terminal_is_refused(key: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    value = f"[{text}]" if "urls" in key else text
    path.write_text(f"# a comment\n{key}: {value}{'}' * key.count('{')}\n")
    result = invoke("summary", "--config", path)
    assert isinstance(result.exception, ConfigError)
    message = str(result.exception)
    assert f"{path}, line 2" in message
    assert "control characters or line breaks" in message
    assert message.isprintable()


@pytest.mark.parametrize("flag", ["--data-dir", "--data", "--norm"])
def test_so_is_text_of_a_flag(flag: str, tmp_path: Path) -> None:
    result = invoke("train", flag, f"a{ESCAPES}", "--results", tmp_path / "results")
    assert isinstance(result.exception, ConfigError)
    assert not (tmp_path / "results").exists()


def test_an_error_about_such_a_file_does_not_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / f"[red]{ESCAPES}.png").touch()
    command = ["normbench", "train", "--data", "folder", "--data-dir", str(tmp_path), "--results", str(tmp_path / "r")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    out, error = capfd.readouterr()
    assert r"[red]\x1b]0;title\x07\x1b[2J\x9b31m\u202e.png: the file is empty (0 bytes)" in error.replace("\n", "")
    assert all(line.isprintable() for line in (out + error).splitlines())


def test_a_message_keeps_its_lines_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    say(f"one [bold]{ESCAPES}[/bold]\ntwo :smile:")
    assert capfd.readouterr().err == ("one [bold]\\x1b]0;title\\x07\\x1b[2J\\x9b31m\\u202e[/bold]\ntwo :smile:\n")
    assert printable_lines("a\r\nb") == "a\\r\nb"


LABELS = ("".join(EVIL), "<b>" + "".join(reversed(EVIL)))


def write_runs(results: Path, labels: tuple[str, str] = LABELS) -> None:
    """Two runs of two norms with these labels, and evil classes, experiment, environment and data source."""
    for label, kind in zip(labels, ("bn", "gn"), strict=True):
        for seed in range(2):
            record = make_record(kind, seed, 0.5 + seed / 10, data__num_eval=len(EVIL), data__classes=list(EVIL))
            record |= {"label": label, "experiment": EVIL[0], "environment": {"cpu": EVIL[5], "torch": EVIL[1]}}
            record["data"] |= {"source": EVIL[2]}
            record["config"]["train"]["=key"] = EVIL[6]
            folder = write_run(results, record | {"experiment": "default"})
            (folder / "run.json").write_text(json.dumps(record))
            logits = np.roll(np.eye(len(EVIL), dtype=np.float16), seed, axis=0)
            np.savez(folder / "predictions.npz", labels=np.arange(len(EVIL)), logits=logits)
            row = {"epoch": 1, "train_s": 1.0, "train_loss": 1, "test_loss": 1, "train_accuracy": 0, "test_accuracy": 1}
            (folder / "metrics.csv").write_text(f"{','.join(row)}\n{','.join(map(str, row.values()))}\n")


def check_table(text: str) -> None:
    """As text, a name is there as it was given: no style, no picture in its place."""
    assert "[red]x[/red][link=http://x]y[/link]" in text
    assert ":smile:" in text


def check_md(text: str) -> None:
    assert not re.search(r"<(?!br)", text)
    assert "](" not in text
    assert "]:" not in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def check_csv(text: str) -> None:
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert f"'{EVIL[0]}" in cells
    starts = [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r")) or re.match(r"-[^\d.]", cell)]
    assert not starts


def check_json(text: str) -> None:
    names = {row["norm"] for row in json.loads(text)["norms"]}
    assert names == set(LABELS)


LAYOUT = {
    "begin",
    "end",
    "centering",
    "caption",
    "label",
    "setlength",
    "tabcolsep",
    "belowcaptionskip",
    "resizebox",
    "textwidth",
}
LAYOUT |= {"resizebox", "textwidth", "toprule", "midrule", "bottomrule", "small", "footnotesize"}
SIGNS = {"textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"}


def check_latex(text: str) -> None:
    body = re.sub(r"^% .*\n|(?<=\{!\}\{)%$|\$-\$", "", text, flags=re.MULTILINE)
    assert set(re.findall(r"\\([a-zA-Z]+)", body)) <= LAYOUT | SIGNS
    assert not re.search(r"(?<!\\)[$#^~%]", body)


CHECKS: dict[str, Callable[[str], None]] = {
    "table": check_table,
    "md": check_md,
    "csv": check_csv,
    "json": check_json,
    "latex": check_latex,
}


@pytest.mark.parametrize("format", FORMATS)
def test_names_of_a_record_are_text_in_every_format(format: str, tmp_path: Path) -> None:
    write_runs(tmp_path)
    result = invoke("compare", tmp_path, "--runs", "--per-class", "--calibration", "--format", format, "--quiet")
    assert result.exception is None, repr(result.exception)
    CHECKS[format](result.stdout)
    by_key = invoke("compare", tmp_path, "--by", "train.=key", "--format", "csv", "--only", "norms", "--quiet")
    assert by_key.exception is None, repr(by_key.exception)
    check_csv(by_key.stdout)


def test_names_of_a_record_stay_inside_the_folder_of_figures(tmp_path: Path) -> None:
    write_runs(tmp_path / "results", ("<script>alert(1)</script>$x_{$", "=1 [red]x[/red]"))
    before = set(tmp_path.rglob("*"))
    result = invoke("compare", tmp_path / "results", "--figures", tmp_path / "figures", "--quiet")
    assert result.exception is None, repr(result.exception)
    made = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert all(path.parent == tmp_path / "figures" for path in made)
    assert all(re.fullmatch(r"[a-z0-9-]+\.(png|svg)", path.name) for path in made)
    svgs = [path for path in made if path.suffix == ".svg"]
    assert svgs
    for path in svgs:
        root = ElementTree.parse(path).getroot()  # noqa: S314  (just drawn by us)
        assert not [element for element in root.iter() if element.tag.rpartition("}")[2] in ("script", "a")]
        assert any("<script>alert(1)</script>" in "".join(text.itertext()) for text in root.iter())


def test_such_classes_train_and_are_compared(tmp_path: Path) -> None:
    names = [name for name in EVIL if "/" not in name]
    for split, red in (("train", 0), ("test", 9)):
        for name in names:
            (tmp_path / "images" / split / name).mkdir(parents=True)
            Image.new("RGB", (32, 32), (red, 0, 0)).save(tmp_path / "images" / split / name / "0.png")
    words = ("--epochs", 1, "--set", "train.precision=fp32", "--results", tmp_path / "results")
    trained = invoke("train", "--data", "folder", "--data-dir", tmp_path / "images", *words)
    assert trained.exception is None, repr(trained.exception)
    compared = invoke("compare", tmp_path / "results", "--per-class", "--format", "json", "--quiet")
    assert [row["class"] for row in json.loads(compared.stdout)["classes"]] == sorted(names)


@pytest.mark.parametrize(
    "name", ["../up", "/etc", "a/b", "a\\b", "..", ".hidden", "", "-rf", "a\nb", "é", "a" * 65, "~"]
)
def test_an_experiment_is_no_path(name: str, tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(json.dumps({"name": name}))
    result = invoke("train", "--config", path, "--results", tmp_path / "results")
    assert isinstance(result.exception, ConfigError)
    assert "name: " in str(result.exception)
    assert not (tmp_path / "results").exists()


def test_norms_and_labels_make_no_path() -> None:
    names = ["../../up", "/etc/passwd", "..", ".", "a\\b", "C:\\x", "a:b/../c", "\x1b[2J", "a b", "*?", *EVIL]
    for name in names:
        made = f"{norm_folder_name(name)}-s0-12345678"
        assert re.fullmatch(r"[\w.-]+", made)
        assert Path(made).name == made
    assert all(re.fullmatch(r"[a-z0-9-]+", slug) for slug in slugs(names).values())
    assert len(set(slugs(names).values())) == len(names)
