"""The config: defaults, `extends` and overrides."""

import json
import re
from pathlib import Path

import pytest
import yaml

from normbench.config import Budget, Choice, Config, DataConfig, TrainConfig, load_config, shipped_configs
from tests.config_fakes import FAKES, Overrides, errors_of, flags, load_text

# Defaults and the shipped files


def test_default_yaml_equals_the_defaults_in_the_code(tmp_path: Path) -> None:
    assert load_config("default", FAKES) == load_text(tmp_path, "name: default")
    assert load_config(None, FAKES) == load_config("default.yaml", FAKES)


def test_default_yaml_spells_out_every_key_with_a_comment() -> None:
    path = shipped_configs()["default"]
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    uncommented = [line for line in lines if "#" not in line]
    # A section's own line, and values that their name explains
    assert all(re.fullmatch(r" *[a-z_]+:|seeds: .*|.*(momentum|max_epochs): .*", line) for line in uncommented)
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    defaults = Config().to_dict()
    assert written.keys() == defaults.keys()
    for section in ("data", "train", "budget", "pictures"):
        assert written[section].keys() == defaults[section].keys()


def test_reference_yaml_is_the_reference_recipe() -> None:
    config = load_config("reference", FAKES)
    assert (config.name, config.seeds, config.model.options) == ("reference", (0,), {"dropout": 0.02})
    assert config.train == TrainConfig(
        epochs=20,
        batch_size=64,
        precision="auto",
        optimizer=Choice("sgd", {"lr": 0.01, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}),
        schedule=Choice("step", {"step_size": 8, "gamma": 0.1}),
    )
    assert config.data == DataConfig(augment=(Choice("randaugment", {"p": 0.25}),))
    assert config.budget == Budget(max_parameters=49_999, max_epochs=20)


def test_a_choice_has_all_its_options(tmp_path: Path) -> None:
    config = load_text(tmp_path, "norm: gn")
    assert config.norm == Choice("gn", {"num_groups": 4, "eps": 1e-5, "affine": True})
    assert config.data.augment == (Choice("flip", {"p": 0.5}), Choice("translate", {"pixels": 2}))
    assert load_text(tmp_path, "seeds: [3, 1]").seed == 3


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "norm: {kind: gn, num_groups: 8, eps: 1e-3}\nseeds: [1, 2]\nbudget: {max_epochs: null}\ntrain: {epochs: 99}",
        "norm: {kind: odd, size: [4, 5], mode: b, label: '1e5', whole: 3}\ndata: {urls: ['https://a.example/c']}",
        "norm: {kind: bn, momentum: null}\ntrain: {schedule: constant, optimizer: {name: adam, lr: 1}}",
        "name: '1e5'\ndata: {dir: '2024-01-01', augment: []}",
        'name: 2024-01-01\ndata: {dir: "a: é # \\U0001F600", source: folder}',
    ],
)
def test_the_resolved_config_gives_an_equal_one(tmp_path: Path, text: str) -> None:
    config = load_text(tmp_path, text)
    again = load_text(tmp_path, yaml.safe_dump(config.to_dict(), sort_keys=False))
    assert again == config
    # 1 and 1.0 are equal but would make two run ids
    assert json.dumps(again.to_dict()) == json.dumps(config.to_dict())


def test_to_dict_is_flat_and_plain(tmp_path: Path) -> None:
    plain = load_text(tmp_path, "norm: {kind: odd, size: [4, 5]}").to_dict()
    assert plain["norm"] == {"kind": "odd", "size": [4, 5], "mode": "a", "label": "x", "whole": 1.0}
    assert plain["data"]["augment"] == [{"name": "flip", "p": 0.5}, {"name": "translate", "pixels": 2}]
    assert plain["train"]["schedule"] == {"name": "linear", "warmup": 0.2}


def test_a_config_is_frozen(tmp_path: Path) -> None:
    config = load_text(tmp_path, "{}")
    with pytest.raises(ValueError, match="frozen"):
        config.train.epochs = 3  # type: ignore[misc]


# Extending and merging


def test_extends_merges_deeply_and_replaces_lists(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "train: {epochs: 3, batch_size: 8}\nseeds: [1, 2, 3]\nnorm: {kind: gn, eps: 0.1}"
    )
    config = load_text(tmp_path, "extends: base.yaml\ntrain: {epochs: 4}\nseeds: [5]\nnorm: {num_groups: 2}")
    assert (config.train.epochs, config.train.batch_size, config.seeds) == (4, 8, (5,))
    assert config.norm == Choice("gn", {"num_groups": 2, "eps": 0.1, "affine": True})


@pytest.mark.parametrize("child", ["norm: bn", "norm: {kind: bn}"])
def test_another_kind_drops_the_parents_options(tmp_path: Path, child: str) -> None:
    (tmp_path / "base.yaml").write_text("norm: {kind: gn, num_groups: 2, eps: 0.5}")
    assert load_text(tmp_path, f"extends: base.yaml\n{child}").norm == Choice(
        "bn", {"eps": 1e-5, "momentum": 0.1, "affine": True}
    )


@pytest.mark.parametrize("child", ["norm: gn", "norm: {kind: gn}", "norm: {affine: true}"])
def test_the_same_kind_keeps_the_parents_options(tmp_path: Path, child: str) -> None:
    (tmp_path / "base.yaml").write_text("norm: {kind: gn, num_groups: 2}")
    assert load_text(tmp_path, f"extends: base.yaml\n{child}").norm.options["num_groups"] == 2


@pytest.mark.parametrize("name", ["reference", "reference.yaml"])
def test_extends_a_shipped_config(tmp_path: Path, name: str) -> None:
    assert load_text(tmp_path, f"extends: {name}\nname: mine").train == load_config("reference", FAKES).train


def test_an_error_in_the_base_names_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("\n\ntrain:\n  epohcs: 3\n")
    first, second = errors_of(tmp_path, "extends: base.yaml\nseed: 1")
    assert first.startswith("base.yaml, line 4: train.epohcs: unknown key 'epohcs': did you mean 'epochs'?")
    assert second.startswith("my.yaml, line 2: seed: unknown key 'seed': did you mean 'seeds'?")


@pytest.mark.parametrize(
    ("extends", "expected"),
    [
        ("my.yaml", "in a circle: my.yaml -> my.yaml"),
        ("b.yaml", "in a circle: my.yaml -> b.yaml -> my.yaml"),
        ("refrence.yaml", "no such file: refrence.yaml; .*did you mean 'reference'"),
        ("[a.yaml, b.yaml]", "must name one file, found a list"),
        ("null", "must name one file, found nothing"),
    ],
)
def test_extends_that_cannot_be(tmp_path: Path, extends: str, expected: str) -> None:
    (tmp_path / "b.yaml").write_text("extends: my.yaml")
    (message,) = errors_of(tmp_path, f"name: x\nextends: {extends}")
    assert re.search(rf"\.yaml, line \d: extends: .*{expected}", message)


# Overrides


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
