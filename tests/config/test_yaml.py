"""YAML text: numbers of YAML 1.2, and files that are no config."""

from pathlib import Path

import pytest

from normbench.config import load_config
from normbench.errors import ConfigError
from tests.config_fakes import FAKES, load_text


@pytest.mark.parametrize("number", ["1e-4", "1E-4", "1.e-4", "+.1e-3", "0.0001", "1_0e-5"])
def test_numbers_of_yaml_1_2(tmp_path: Path, number: str) -> None:
    assert load_text(tmp_path, f"train: {{optimizer: {{lr: {number}}}}}").train.optimizer.options["lr"] == 1e-4


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"- a\n- b\n", "must be a mapping, such as 'norm: gn', found a list"),
        (b"just text\n", "must be a mapping, such as 'norm: gn', found 'just text'"),
        (b"!!python/object:x {}\n", "my.yaml, line 1: the tag '!!python/object:x' is not allowed"),
        (b"name: x\nnorm: \xff\n", "my.yaml, line 2: is not UTF-8 text"),
        (b"name: x\nnorm: [gn\n", "my.yaml, line 3: is not YAML"),
        (b"name: x\nnorm: \x07\n", "my.yaml, line 2: is not YAML: special characters are not allowed"),
        (b'name: "\\UFFFFFFFF"\n', "my.yaml: is not YAML"),
        (b"%YAML " + b"9" * 5000 + b".1\n--- {}\n", "my.yaml: is not YAML"),
        (b"train:\n\tepochs: 3\n", "my.yaml, line 2: is not YAML: a tab stands where spaces are needed"),
        (b'data: {dir: "C:\\Users"}\n', "my.yaml, line 1: is not YAML: in double quotes a backslash begins an escape"),
        (b"--- {}\n--- {}\n", "is not YAML: expected a single document"),
        (b"name: *x\n", "my.yaml, line 1: is not YAML: found undefined alias"),
        (b"name: " + b"[" * 5000, "nested deeper than 20 levels"),
        (b"name: &a [*a]\n", "an alias holds itself"),
        (b"name: [" + b"1," * 20_000 + b"]\n", "more than 10,000 keys and values"),
        (b"name: x\n" + b"#" * 1_000_001, "larger than 1,000,000 bytes"),
        (
            b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
            + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10)),
            "aliases expand to more than 10,000 keys and values",
        ),
    ],
)
def test_a_file_that_is_no_config_is_one_sentence(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path, FAKES)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert expected in message
    assert len(message.splitlines()) == 1
    assert "<unicode string>" not in message


def test_a_byte_order_mark_and_windows_lines_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\r\ntrain:\r\n  epochs: 3\r\n")
    assert load_config(path, FAKES).train.epochs == 3


def test_aliases_are_fine(tmp_path: Path) -> None:
    config = load_text(tmp_path, "train: {epochs: &few 3, batch_size: *few}")
    assert (config.train.epochs, config.train.batch_size) == (3, 3)
