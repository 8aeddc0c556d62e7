"""Running statistics over the number of batches."""

from pathlib import Path

from normbench.plots.running_statistics import Curves, draw_running_statistics


def test_a_row_a_layer_with_a_curve_a_channel_and_its_true_value(figures: list, tmp_path: Path) -> None:
    layers = [
        Curves("BN exponential", (1, 10, 100), [(0.0, 0.1), (0.2, 0.3), (0.4, 0.5)], [(1.0, 1.0)] * 3),
        Curves("BN cumulative", (1, 10, 100), [(0.5, 0.5)] * 3, [(1.0, 2.0)] * 3),
    ]
    draw_running_statistics(layers, (0.5, 0.5), (1.0, 2.0), "Running statistics", tmp_path / "running.png")
    (figure,) = figures
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [f"{layer.title}: {what}" for layer in layers for what in ("mean", "deviation")]
    means = figure.axes[0]
    curves = [line for line in means.lines if line.get_linestyle() == "-"]
    assert [line.get_label() for line in curves] == ["channel 0", "channel 1"]
    assert list(curves[1].get_ydata()) == [0.1, 0.3, 0.5]
    truths = [line.get_ydata()[0] for line in figure.axes[3].lines if line.get_linestyle() == ":"]
    assert truths == [1.0, 2.0]
    assert (tmp_path / "running.png").read_bytes().startswith(b"\x89PNG")
