"""What is written on a figure."""

import xml.etree.ElementTree as ET
from pathlib import Path

from PIL import Image


def svg_text(paths: list[Path]) -> str:
    """All text in the SVG of (PNG, SVG). Asserts that the PNG beside it is a whole picture."""
    png, svg = paths
    with Image.open(png) as image:
        image.load()
        assert image.width > 500
    root = ET.parse(svg).getroot()  # noqa: S314  (just drawn by normbench)
    return "\n".join("".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text"))
