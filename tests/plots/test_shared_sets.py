"""The block of a tensor with one set of values in colour."""

from collections.abc import Callable

from normbench.plots.shared_sets import Sets, draw_shared_sets

N, C, H, W = 4, 6, 2, 2


def test_the_coloured_set_is_that_of_the_first_images_last_channel() -> None:
    def block(number: Callable[[int, int], int]) -> Sets:
        return [[[[number(n, c)] * W] * H for c in range(C)] for n in range(N)]

    sets = {
        "BN": block(lambda n, c: c),
        "GN(2)": block(lambda n, c: 2 * n + c // 3),
        "LN": block(lambda n, c: n),
        "IN": block(lambda n, c: C * n + c),
    }
    figure = draw_shared_sets([(norm, "over these axes", numbers) for norm, numbers in sets.items()])
    blocks = [panel.collections[0].get_facecolors() for panel in figure.axes if panel.collections]
    blue = [int((colours[:, 2] > 2 * colours[:, 0]).sum()) for colours in blocks]
    # front + top + side: a channel of all images; a group, all channels, one channel of one image
    bn, gn, ln, instance = 4 + 4 + 4 * 4, 3 * 4 + 3 + 4, 6 * 4 + 6 + 4, 4 + 1 + 4
    assert blue == [bn, gn, ln, instance]
