"""A network without a parameter for its norm, from the command line to the record."""

import json
from pathlib import Path

from tests import peer_networks
from tests.tiny import invoke, make_folder, train_small

PLAIN = f"{peer_networks.__file__}:plain"


def test_a_network_of_somebody_else_is_trained_with_another_norm(tmp_path: Path) -> None:
    images, results = make_folder(tmp_path / "images"), tmp_path / "results"
    for norm, layers, unusual in (("gn", {"GroupNorm": 4}, ""), ("none", {}, "without a bias")):
        result = train_small(images, results, "--model", PLAIN, "--norm", norm, "--epochs", 1)
        assert result.exit_code == 0, result.output
        (record,) = results.rglob(f"{norm}-*/run.json")
        model = json.loads(record.read_text())["model"]
        assert model["norm_layers"] == layers
        assert unusual in " ".join(model.get("warnings", ()))


def test_summary_shows_what_is_exchanged_without_training() -> None:
    command = ("summary", "--model", PLAIN, "--norm", "gn")
    rows = json.loads(invoke(*command, "--format", "json").stdout)["exchanged"]
    assert [(row["layer"], row["was"], row["is"]) for row in rows] == [
        (layer, "BatchNorm2d", "GroupNorm") for layer in ("1", "5", "11", "17")
    ]
    assert "exchanged" in invoke(*command).stdout
