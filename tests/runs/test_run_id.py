"""The id of a run stays what it was when a later version has more keys."""

from normbench.config import load_config
from normbench.runs.registries import REGISTRIES
from normbench.runs.run_id import run_id


def test_the_default_config_keeps_its_id() -> None:
    """Its runs of the past are found again; a recipe that differs is another run."""
    default = load_config("default", REGISTRIES)
    assert run_id(default) == "bn-s0-be9cee62"
    for key, value in (("label_smoothing", "0.1"), ("clip_grad_norm", "1")):
        other = load_config("default", REGISTRIES, [(f"train.{key}", value, f"--set {key}")])
        assert run_id(other) != run_id(default)
