"""`normbench summary` through the real entry point."""

import json

import pytest

from normbench.errors import ConfigError
from tests.tiny import invoke


@pytest.mark.parametrize("norm", ["bn", "gn", "ln", "ln-chw", "in", "none"])
def test_summary_of_each_norm_needs_no_data(norm: str) -> None:
    result = invoke("summary", "--norm", norm, "--format", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert sum(found["norm_layers"].values()) == (0 if norm == "none" else 8)
    assert found["num_parameters"] == {"ln-chw": 189_482, "none": 39_978}.get(norm, 40_394)
    assert found["fits_budget"] == (norm != "ln-chw")
    assert len(found["layers"]) == 40


def test_summary_prints_torchsummarys_table_and_what_it_leaves_out() -> None:
    output = invoke("summary", "--norm", "gn").stdout
    assert "         GroupNorm-2           [-1, 16, 32, 32]              32" in output
    assert "Total params: 40,394" in output
    for text in ("11,141,440", "whole image", "416 of the 40,394", "40,394 of 49,999"):
        assert text in output


def test_an_unknown_norm_is_answered_with_the_nearest() -> None:
    result = invoke("summary", "--norm", "gm")
    assert isinstance(result.exception, ConfigError)
    assert "did you mean 'gn'" in str(result.exception)
    assert "--norm gm" in str(result.exception)
