"""Running statistics over the number of batches."""

from normbench.plots.running_statistics import Curves, draw_running_statistics
from tests.svg import svg_text

LIMITS = ((0.5, 0.5), (1.0, 2.0))
STEPS = (1, 10, 100)


def test_norms_with_the_same_average_share_their_panels() -> None:
    exponential = [
        Curves(("BN", "GBN"), STEPS, [(0.0, 0.1), (0.2, 0.3), (0.4, 0.5)], [(1.0, 1.0)] * 3, *LIMITS),
        Curves(("BRN",), STEPS, [(0.0, 0.1), (0.2, 0.3), (0.4, 0.5)], [(1.0, 1.1)] * 3, *LIMITS),
    ]
    cumulative = [Curves(("BN",), STEPS, [(0.5, 0.5)] * 3, [(1.0, 2.0)] * 3, *LIMITS)]
    figure = draw_running_statistics({"exponential": exponential, "cumulative": cumulative}, "Running statistics")
    assert len(figure.axes) == 4
    means, deviations = figure.axes[:2]
    curves = [line for line in means.lines if line.get_linestyle() != ":"]
    assert [list(line.get_ydata()) for line in curves[:2]] == [[0.0, 0.2, 0.4], [0.1, 0.3, 0.5]]
    assert len({line.get_linestyle() for line in curves}) == 2  # a style for each norm
    assert len({line.get_color() for line in curves}) == 2  # a colour for each channel
    assert [line.get_ydata()[0] for line in deviations.lines if line.get_linestyle() == ":"] == [1.0, 2.0] * 2
    words = svg_text(figure).splitlines()
    assert [words.count(name) for name in ("BN, GBN", "BRN", "BN", "channel 1")] == [1, 1, 0, 1]
