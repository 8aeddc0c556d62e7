"""Files of figures."""

from pathlib import Path

import pytest
from PIL import Image

from normbench.errors import ConfigError
from normbench.plots.layout import FORMATS
from normbench.plots.norm_curves import draw_norm_curves
from normbench.plots.save import save_figure
from normbench.plots.style import norm_styles


@pytest.mark.parametrize("format_", FORMATS)
def test_the_suffix_decides_and_equal_figures_have_equal_bytes(format_: str, tmp_path: Path) -> None:
    rows = [{"epoch": 1.0, "train_accuracy": 0.5, "train_loss": 1.0, "test_accuracy": 0.5, "test_loss": 1.0}]
    for name in ("one.a", "two.b"):  # a name may hold dots
        figure = draw_norm_curves({"BN": [rows] * 3}, "test", "", norm_styles(["BN"]))
        save_figure(figure, tmp_path / f"{name}.{format_.upper()}")
    first, second = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert first == second
    assert first.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[format_])
    assert b"CreationDate" not in first
    assert b"dc:date" not in first
    if format_ == "pdf":
        assert b"/FontFile2" in first  # TrueType, whose text can be searched and edited
        assert b"/Type3" not in first
    if format_ == "svg":
        assert b"Test accuracy in %" in first


def test_a_narrow_picture_has_the_pixels_of_print(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    save_figure(Figure(figsize=(3.3, 1)), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == 990


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.svg.gz"])
def test_another_suffix_is_refused_with_those_allowed(name: str, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    with pytest.raises(ConfigError, match=r"\.png, \.svg or \.pdf"):
        save_figure(Figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
