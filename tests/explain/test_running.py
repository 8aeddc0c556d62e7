"""Running statistics: the stream that the parameter analysis describes, with bounds that hold for any seed."""

import math

import pytest
import torch

from normbench.explain.running import Running, explain_running, stream

BATCHES, MOMENTUM = 4000, 0.001


@pytest.fixture(scope="module", params=[0, 1, 2])
def running(request: pytest.FixtureRequest) -> Running:
    return explain_running(BATCHES, MOMENTUM, request.param)


def tracked(running: Running) -> dict[tuple[str, str], tuple[tuple[float, ...], tuple[float, ...]]]:
    return {(one.norm, one.average): (one.mean, one.std) for one in running.tracked}


def test_the_stream_is_drawn_as_it_says() -> None:
    x = stream(4000, 7)
    assert x.shape == (4000, 2, 4, 2, 2)
    torch.testing.assert_close(x.mean((0, 3, 4))[0], torch.full((4,), 0.25), atol=0.2, rtol=0)
    torch.testing.assert_close(x.mean((0, 3, 4))[1], torch.full((4,), 0.75), atol=0.2, rtol=0)
    torch.testing.assert_close(x.std((0, 3, 4)), torch.tensor([[1.0, 2, 3, 4]] * 2), rtol=0.05, atol=0)


@pytest.mark.parametrize(
    ("norm", "variances"),
    [
        ("BN", [s**2 + 1 / 14 for s in (1, 2, 3, 4)]),
        ("GBN", [s**2 + 1 / 14 for s in (1, 2, 3, 4)]),
        ("IN", [1, 4, 9, 16]),
    ],
)
def test_limits_are_those_of_the_statistics_that_a_layer_stores(running: Running, norm: str, variances: list) -> None:
    for one in running.tracked:
        if one.norm == norm:
            assert one.std_limit == pytest.approx([variance**0.5 for variance in variances])
            assert one.mean_limit == pytest.approx([0.5] * 4)


def test_running_deviations_are_near_their_limits(running: Running) -> None:
    """The exponential average still holds e^-4 of its start. A batch's variance, of 8 values, is off by sqrt(2 / 7);
    the average over batches by sqrt(momentum / 2) of that, or sqrt(1 / batches): 6 times as much is allowed."""
    weights = {"exponential": MOMENTUM / 2, "cumulative": 1 / BATCHES}
    assert {one.norm for one in running.tracked} == {"BN", "GBN", "BRN", "IN"}
    for one in running.tracked:
        noise = math.sqrt(2 / 7 * weights[one.average])
        fading = (1 - MOMENTUM) ** BATCHES if one.average == "exponential" else 0
        power = 1 if one.norm == "BRN" else 2  # what the layer averages: deviations, or variances
        for std, limit in zip(one.std, one.std_limit, strict=True):
            assert std**power == pytest.approx((1 - fading) * limit**power + fading, rel=6 * noise)


def test_the_limit_of_a_norm_from_outside_is_not_known() -> None:
    tracked = explain_running(20, MOMENTUM, chosen=["tests.foreign_norms:Averages", "bn"]).tracked
    assert [one.norm for one in tracked] == ["Averages", "BN", "BN"]
    assert tracked[0].std_limit == () != tracked[1].std_limit


def test_running_means_are_near_a_half(running: Running) -> None:
    for norm in ("BN", "IN"):
        means, _ = tracked(running)[norm, "exponential"]
        for channel, mean in enumerate(means, start=1):
            noise = channel * math.sqrt(MOMENTUM / 2 / 8)
            assert mean == pytest.approx(0.5 * (1 - math.exp(-MOMENTUM * BATCHES)), abs=6 * noise)


def test_the_documents_thousand_batches_leave_a_third_of_the_start() -> None:
    """IN's deviations in the document: 0.9990, 1.6975, 2.4882, 3.2176."""
    stds = tracked(explain_running(1000, MOMENTUM, 0))["IN", "exponential"][1]
    assert stds == pytest.approx((0.9990, 1.6975, 2.4882, 3.2176), rel=0.05)


def test_the_documents_outputs(running: Running) -> None:
    """Per sample and channel, in training: the document's numbers are means over 1,000 batches of one pixel."""
    outputs = {output.norm: output for output in running.outputs}
    for mean, std in zip(outputs["IN"].mean, outputs["IN"].std, strict=True):
        assert mean == pytest.approx([0] * 4, abs=1e-4) and std == pytest.approx([1] * 4, abs=1e-3)
    for std in outputs["LN"].std:
        assert std == pytest.approx((0.48, 0.79, 1.10, 1.37), abs=0.05)
    for std in outputs["GN(2)"].std:
        assert std == pytest.approx((0.76, 1.19, 0.89, 1.10), abs=0.05)
    below, above = outputs["BN"].mean
    assert all(low < 0 for low in below[:2]) and below == pytest.approx([-high for high in above], abs=1e-4)
    assert above[0] == pytest.approx(0.25, abs=0.05)


def test_a_curve_ends_where_the_table_stands(running: Running) -> None:
    for one in running.tracked:
        assert one.steps[0] == 1 and one.steps[-1] == BATCHES
        assert len(one.steps) == len(one.mean_history) == len(one.std_history)
        assert (one.mean_history[-1], one.std_history[-1]) == (one.mean, one.std)
