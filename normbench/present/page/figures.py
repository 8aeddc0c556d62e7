"""The figures of a comparison inside a page: SVG, in which text stays text."""

import io
import re
from collections.abc import Iterator, Mapping

from normbench.analysis.compare.compare import Comparison
from normbench.plots.layout import Layout
from normbench.plots.save import write_figure
from normbench.present.page.html import Html, element, text
from normbench.present.report.figure_inputs import FigureInputs, Named
from normbench.present.report.figures import FIGURES, FIGURES_ALONG_A_KEY
from normbench.present.report.prediction_figures import misclassified_figures

WITH_IMAGES = ("disagreement", "misclassified")
"""Kinds of figures that show images of the data set."""
OF_A_PAGE = {**FIGURES, "misclassified": misclassified_figures}
"""A run's own folder has its misclassified images already, so `--figures` does not draw them."""

CAPTIONS: Mapping[str, str] = {
    "seeds": "Each run, and the mean of each norm with its interval",
    "curves": "Accuracy and loss over the epochs: the mean over seeds, and a band",
    "confusion": "Which classes are taken for which",
    "disagreement": "Images that one norm classifies correctly and the other does not",
    "misclassified": "Images that a run of each norm classifies wrongly",
    "sweep": "The norms along the swept key",
}


def figures_html(comparison: Comparison, *, images: bool) -> Iterator[tuple[str, list[Html]]]:
    """(caption, its figures) for each kind that can be drawn; with `images` also those that show images."""
    kinds = OF_A_PAGE if comparison.key is None else FIGURES_ALONG_A_KEY
    inputs = FigureInputs(comparison, Layout())
    for kind, draw in kinds.items():
        if kind in WITH_IMAGES and not images:
            continue
        drawn = [_figure(named, CAPTIONS[kind]) for named in draw(inputs)]
        if drawn:
            yield CAPTIONS[kind], drawn


def _figure(named: Named, caption: str) -> Html:
    name, figure = named
    content = io.BytesIO()
    write_figure(figure, content, "svg")
    svg = _as_part(content.getvalue().decode(), name, f"{caption}: {name.replace('-', ' ')}")
    return element("figure", Html(svg))


def _as_part(svg: str, name: str, label: str) -> str:
    """An SVG file as a part of a page: without its prolog, its ids unlike those of other figures, with a label."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    # The size in points is dropped: the page's style decides it, by the view box.
    head, bracket, rest = svg.partition(">")
    head = re.sub(r' (?:width|height)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{text(label)}"{bracket}{rest}'
