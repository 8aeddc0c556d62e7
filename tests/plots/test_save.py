"""Files of figures."""

from pathlib import Path

from normbench.plots.save import save_figure


def test_a_stem_may_hold_dots(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    written = save_figure(Figure(), tmp_path / "sweep-train.lr")
    assert [path.name for path in written] == ["sweep-train.lr.png", "sweep-train.lr.svg"]
