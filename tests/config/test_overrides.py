"""The command line's overrides."""

from pathlib import Path

import pytest

from normbench.config import Choice
from tests.config_fakes import Overrides, errors_of, flags, load_text


def test_overrides_come_last_and_keep_the_kind(tmp_path: Path) -> None:
    config = load_text(
        tmp_path,
        "norm: {kind: gn, eps: 0.1}",
        flags(
            "norm.num_groups=8",
            "train.optimizer=sgd",
            "train.lr=1e-2",
            "train.momentum=0",
            "train.weight_decay=0.5",
            "seeds=[4, 5]",
        ),
    )
    assert config.norm == Choice("gn", {"num_groups": 8, "eps": 0.1, "affine": True})
    assert config.train.optimizer.options == {"lr": 0.01, "momentum": 0.0, "nesterov": True, "weight_decay": 0.5}
    assert config.seeds == (4, 5)


@pytest.mark.parametrize("key", ["norm", "norm.kind"])
@pytest.mark.parametrize("in_order", [True, False])
def test_the_order_of_flags_does_not_matter(tmp_path: Path, key: str, in_order: bool) -> None:
    given: Overrides = [(key, "gn", "--norm"), ("norm.num_groups", 8, "--groups")]
    config = load_text(tmp_path, "norm: {kind: bn, momentum: 0.5}", given if in_order else given[::-1])
    assert config.norm == Choice("gn", {"num_groups": 8, "eps": 1e-5, "affine": True})


def test_overrides_may_be_plain_values_and_flow_collections(tmp_path: Path) -> None:
    config = load_text(
        tmp_path,
        "{}",
        [
            ("norm", "{kind: gn, num_groups: 2}", "--set"),
            ("data.augment", "[flip, {name: randaugment, p: 0.1}]", "--set"),
            ("data.dir", Path("a") / "b", "--data-dir"),
            ("seeds", (7,), "--seed"),
            ("train.epochs", 3, "--epochs"),
        ],
    )
    assert config.norm.options["num_groups"] == 2
    assert config.data.augment == (Choice("flip", {"p": 0.5}), Choice("randaugment", {"p": 0.1}))
    assert (config.data.dir, config.seeds, config.train.epochs) == (str(Path("a") / "b"), (7,), 3)


@pytest.mark.parametrize("folder", ["2024", "no", "[a]", "a: b", "#x", "*x", "1e5", "a 'b' c", "@x", "!x"])
def test_a_folder_on_the_command_line_is_taken_as_typed(tmp_path: Path, folder: str) -> None:
    assert load_text(tmp_path, "{}", [("data.dir", folder, "--data-dir")]).data.dir == folder


def test_text_on_the_command_line_may_be_quoted_or_null(tmp_path: Path) -> None:
    assert load_text(tmp_path, "{}", flags("name='7'")).name == "7"
    assert load_text(tmp_path, "data: {dir: x}", flags("data.dir=null")).data.dir is None


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("train.epohcs=3", "train.epohcs: unknown key 'epohcs': did you mean 'epochs'? known: epochs, batch_size,"),
        ("epochs=3", "epochs: unknown key 'epochs': known: name, norm, model, data, train, seeds, budget, pictures; "
                     "the key of that name is train.epochs"),
        ("train.epochs=[", "train.epochs: is not YAML: "),
        ("train.epochs=x", "train.epochs: must be a whole number, found 'x'"),
        ("train.epochs.x=3", "train.epochs: must be a whole number, found a mapping"),
        ("train.lr=fast", "train.optimizer.lr: must be a number, found 'fast'"),
        ("train.lr=!!python/name:os.system", "train.optimizer.lr: the tag '!!python/name:os.system' is not allowed"),
        ("norm=gm", "norm.kind: unknown norm 'gm': did you mean 'gn'? known: bn, gn,"),
        ("norm=null", "norm: must be a name, or a mapping with 'kind' and options; known names: bn, gn,"),
        ("norm.num_groups=8", "norm.num_groups: unknown bn option 'num_groups': known: eps, momentum, affine; "
                              "norm gn has 'num_groups'"),
        ("data=folder", "data: must be a mapping with some of source, dir,"),
        ("train=30", "train: must be a mapping with some of epochs,"),
        ("=3", "'': unknown key ''"),
        ("extends=x", "extends: can stand only in a file; "),
        ("data.augment.0=flip", "data.augment: must be a list of augmentations, such as [flip], found a mapping"),
    ],
)  # fmt: skip
def test_an_error_in_an_override_names_the_flag(tmp_path: Path, flag: str, expected: str) -> None:
    (message,) = errors_of(tmp_path, "name: x\ntrain: {epochs: 3}", flags(flag))
    assert message.startswith(f"--set {flag}: {expected}")


def test_the_budget_is_lifted_in_a_file_or_on_the_command_line(tmp_path: Path) -> None:
    assert load_text(tmp_path, "budget: {max_epochs: null}\ntrain: {epochs: 21}").train.epochs == 21
    assert load_text(tmp_path, "train: {epochs: 21}", flags("budget.max_epochs=null")).train.epochs == 21
