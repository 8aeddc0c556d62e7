"""Confusion matrices: the numbers on the figure."""

import numpy as np

from normbench.plots.confusion import draw_confusion
from normbench.plots.layout import Layout
from tests.svg import svg_text

ABOUT = "folder data, 500 test images, 3 epochs"
ODD = ("cat", "$dog$ & <b>", "a very long name of a class")


def test_the_confusion_matrix_holds_its_numbers_and_signed_differences() -> None:
    rates = np.array([[0.9, 0.1, 0.0], [0.25, 0.75, 0.0], [np.nan] * 3])
    base = np.array([[0.8, 0.2, 0.0], [0.25, 0.75, 0.0], [np.nan] * 3])
    text = svg_text(draw_confusion(rates, 5, "GN(4)", ODD, ABOUT, (base, 3, "BN"))).splitlines()
    for part in ("90.0", "75.0", "+10.0", "−10.0", "$dog$ & <b>", "a very long n…", "True class", "Predicted class"):
        assert part in text
    assert "GN(4) − BN, n = 5 and 3: percentage points" in text
    assert "nan" not in "".join(text)
    assert text.count("0.0") == 6  # two shares and four differences, these without a sign


def test_one_norms_confusion_matrix_has_no_difference() -> None:
    text = svg_text(draw_confusion(np.eye(2), 1, "BN", ["a", "b"], ABOUT))
    assert "BN, n = 1: % of each true class" in text
    assert "ifference" not in text


def test_colours_tell_better_from_worse_and_not_more_from_less() -> None:
    rates, base = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.8, 0.2], [0.3, 0.7]])
    figure = draw_confusion(rates, 3, "GN", ["a", "b"], ABOUT, (base, 3, "BN"))
    (image,) = figure.axes[1].images
    red, _, blue = np.moveaxis(image.cmap(image.norm(image.get_array()))[..., :3], -1, 0)
    assert (blue[0] > red[0]).all()  # more right, fewer mistakes: the same colour
    assert (red[1] > blue[1]).all()
    markers = [np.sort(marks.get_offsets()[:, 1]).round().tolist() for marks in figure.axes[1].collections]
    assert markers == [[0, 0], [1, 1]]  # triangles say the same in grey print: up in the first row, down in the second
    assert {"blue: GN better than BN", "red: GN worse"} <= set(svg_text(figure).splitlines())


def test_numbers_that_do_not_fit_their_cells_are_left_out() -> None:
    def numbers(classes: int, of: str) -> int:
        figure = draw_confusion(np.eye(classes), 1, "BN", ["x"] * classes, ABOUT, layout=Layout(width=3.3))
        return svg_text(figure).splitlines().count(of)

    assert (numbers(2, "100.0"), numbers(16, "100"), numbers(40, "100"), numbers(40, "0")) == (2, 16, 0, 0)
