"""`normbench explain` through the entry point: tables, JSON, pictures, and answers to bad arguments."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from normbench.errors import ConfigError, NormbenchError
from normbench.norms.registry import ENTRIES
from tests.tiny import invoke


@pytest.mark.parametrize("command", ["shapes", "equivalence", "params", "tensor", "axes"])
def test_json_goes_alone_to_stdout(command: str) -> None:
    result = invoke("explain", command, "--format", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) and result.stderr == ""
    assert invoke("explain", command).stdout.strip()


def test_axes_that_are_not_known_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENTRIES, "bn", ENTRIES["bn"]._replace(axes=None))
    assert "unknown" in invoke("explain", "params", "--norm", "bn").stdout
    assert "not known" in invoke("explain", "axes", "--norm", "bn").stdout
    assert "not known" in invoke("explain", "tensor", "--norm", "bn").stdout


def test_axes_in_the_terminal() -> None:
    lines = invoke("explain", "axes", "--norm", "gn", "--groups", "3", "--shape", "2,6,2,2").stdout.splitlines()
    assert lines[0] == "GN(3): over C/G, H, W: N·G = 6 sets"
    assert [line.split() for line in lines[2:4]] == [["n0", *"001122"], ["n1", *"334455"]]


def test_many_channels_stay_within_the_terminal() -> None:
    shown = invoke("explain", "axes", "--norm", "in", "--shape", "16,64,1,2").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "c63" in shown


def test_axes_as_json_and_as_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "axes.pdf"
    layout = ("--width", 3.3, "--no-title")
    result = invoke("explain", "axes", "--shape", "2,4,1,2", "--format", "json", "--output", path, *layout)
    content = {norm["norm"]: norm for norm in json.loads(result.stdout)["norms"]}
    assert content["BN"]["sets"] == [[[[c, c]] for c in range(4)]] * 2
    assert content["GN(2)"]["sets"][1] == [[[2, 2]], [[2, 2]], [[3, 3]], [[3, 3]]]
    assert path.read_bytes().startswith(b"%PDF")
    assert f"wrote {path}" in result.stderr


@pytest.mark.parametrize("batches", [1, 30])
def test_table_json_and_picture(batches: int, tmp_path: Path) -> None:
    path = tmp_path / "running.png"
    shown = invoke("explain", "running", "--batches", batches, "--output", path)
    assert shown.exit_code == 0, shown.output
    assert "BN cumulative" in shown.stdout and "drawn from" in shown.stdout and f"wrote {path}" in shown.stderr
    assert path.read_bytes().startswith(b"\x89PNG")
    content = json.loads(invoke("explain", "running", "--batches", batches, "--format", "json").stdout)
    assert content["num_batches"] == batches
    averages = {(one["norm"], one["average"]) for one in content["tracked"]}
    assert {("BN", "exponential"), ("BN", "cumulative"), ("IN", "exponential")} <= averages


def test_a_norm_that_keeps_nothing_has_outputs_only() -> None:
    shown = invoke("explain", "running", "--batches", 2, "--norm", "gn").stdout
    assert "Output in training" in shown and "Running statistics" not in shown


def test_the_digits_are_on_the_screen() -> None:
    shown = invoke("explain", "tensor", "--norm", "bn").stdout
    for digits in ("0.3015 -0.9045", "1.3471 -0.9622", "0.2820 -0.8461", "1.2601 -0.9001", "0.7857 1.9286"):
        assert digits in shown
    assert "state_dict: empty" in invoke("explain", "tensor", "--norm", "in").stdout


@pytest.mark.parametrize("command", ["tensor", "axes", "equivalence", "params"])
def test_an_ascii_output_gets_ascii(command: str) -> None:
    arguments = [sys.executable, "-m", "normbench", "explain", command]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(arguments, capture_output=True, env=environment, check=True)
    assert done.stdout.isascii()


def test_an_error_is_a_sentence_and_an_exit_code() -> None:
    arguments = [sys.executable, "-m", "normbench", "explain", "tensor", "missing.npy"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.strip() == "normbench: missing.npy: no such file"


def test_a_picture_over_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.png"
    folder.mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        raise invoke("explain", "axes", "--output", folder).exception or AssertionError("no error")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["params", "--shape", "2,x"], r"--shape '2,x' is not a shape: write N,C or N,C,L or N,C,H,W"),
        (["params", "--shape", "2,0"], "whole numbers from 1 on"),
        (["params", "--shape", "5"], "is not a shape"),
        (["params", "--shape", "99999,99999"], "more than the"),
        (["params", "--norm", "bm"], "did you mean 'bn'"),
        (["params", "--groups", "3"], r"--groups 3 does not divide C = 16; allowed: 1, 2, 4, 8, 16"),
        (["params", "--groups", "0"], "allowed: 1"),
        (["params", "--shape", "4,10", "--norm", "in"], "norm 'in' takes no N,C input; known for N,C: bn, gn, ln"),
        (["params", "--model", "--shape", "2,2"], "leave out --shape"),
        (["params", "--model", "--norm", "bn", "--norm", "gn"], "one network, with one norm"),
        (["params", "--model", "--norm", "gn", "--groups", "3"], "3 does not divide"),
        (["axes", "--shape", "4,6,2"], r"write N,C,H,W as whole numbers"),
        (["axes", "--shape", "4,100,2,2"], r"C = 100 is too many to draw; at most 64"),
        (["axes", "--groups", "4"], r"does not divide C = 6; allowed: 1, 2, 3, 6"),
        (["axes", "--output", "axes.jpg"], r"\.png, \.svg or \.pdf"),
        (["axes", "--width", "3.3"], "--width is about pictures: add --output FILE"),
        (["axes", "--output", "axes.png", "--width", "0.5"], "inches from 2.5 to 30"),
        (["axes", "--output", "nowhere/axes.png"], "there is no folder nowhere"),
        (["axes", "--norm", "none", "--output", "axes.png"], "nothing to draw"),
    ],
)
def test_bad_arguments_of_params_and_axes(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        raise invoke("explain", *arguments).exception or AssertionError("no error")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["missing.npy"], "missing.npy: no such file", 3),
        (["x.npy", "--shape", "2,2"], "not both", 2),
        (["--shape", "100,100"], "too many to check by hand", 3),
        (["--norm", "dyn"], "unknown norm 'dyn'", 2),
        (["--groups", "3"], r"does not divide C = 2; allowed: 1, 2", 2),
        (["--momentum", "2"], r"momentum .* not 2", 2),
    ],
)
def test_bad_arguments_of_tensor(arguments: list[str], message: str, code: int) -> None:
    with pytest.raises(NormbenchError, match=message) as caught:
        raise invoke("explain", "tensor", *arguments).exception or AssertionError("no error")
    assert caught.value.exit_code == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batches", 0], "--batches 0 is out of range"),
        (["--momentum", 0], "--momentum 0.0 is out of range"),
        (["--momentum", "nan"], "--momentum nan is out of range"),
        (["--momentum", 1e-300], "--momentum 1e-300 is out of range"),
        (["--norm", "gn", "--output", "x.png"], "none of these norms keeps any"),
        (["--groups", 3], "does not divide C = 4"),
    ],
)
def test_bad_arguments_of_running(arguments: list[object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        raise invoke("explain", "running", *arguments).exception or AssertionError("no error")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shapes", "--shape", "2,3,2,28"], "H and W must be at least 4"),
        (["shapes", "--shape", "2,3"], "write N,C,H,W"),
        (["equivalence", "--shape", "2,3,1,1"], "H·W must be at least 2"),
        (["equivalence", "--shape", "2,3,4"], "write N,C,H,W"),
    ],
)
def test_bad_arguments_of_shapes_and_equivalence(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        raise invoke("explain", *arguments).exception or AssertionError("no error")


def test_norms_have_their_other_names_and_may_be_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "explained_norm.py").write_text(
        "from torch import nn\nclass Own(nn.BatchNorm2d):\n"
        "    def __init__(self, num_channels): super().__init__(num_channels)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = ["params", "--norm", "explained_norm:Own", "--norm", "GroupNorm"]
    rows = json.loads(invoke("explain", *words, "--format", "json").stdout)
    assert [row["norm"] for row in rows] == ["Own", "GN(2)"]
    assert "Own: it is not known" in invoke("explain", "axes", *words[1:]).stdout
    for refused in ([*words, "--no-plugins"], ["params", "--norm", "GN(4)"], ["axes", "--norm", "gm"]):
        assert isinstance(invoke("explain", *refused).exception, ConfigError)
