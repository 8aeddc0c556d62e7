"""What is known of a run by key, also of keys that its config leaves out."""

from normbench.analysis.compare.facts import facts
from normbench.analysis.compare.recipe import shown_setting
from normbench.runs.record import Record
from tests.records import make_record


def test_a_run_without_a_key_that_is_off_has_its_default() -> None:
    """Runs from before the key, and runs that leave it off, are told apart from runs with it by its value."""
    off = Record.model_validate(make_record("bn"))
    on = Record.model_validate(make_record("bn", config__train__label_smoothing=0.1))
    assert facts(off)["train.label_smoothing"] == 0
    assert facts(on)["train.label_smoothing"] == 0.1
    assert shown_setting(off.config, "train.clip_grad_norm") == "null"
    assert shown_setting(off.config, "train.unknown") == "not set"
