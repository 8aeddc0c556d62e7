"""The script that draws the terminal pictures of the docs."""

import re
import subprocess
import sys
from pathlib import Path

from normbench import __version__

SCRIPT = Path(__file__).parents[2] / "docs" / "make_terminal_svg.py"


def test_it_draws_what_a_terminal_shows_and_loads_nothing(tmp_path: Path) -> None:
    picture = tmp_path / "version.svg"
    subprocess.run([sys.executable, str(SCRIPT), "--columns", "60", str(picture), "--version"], check=True)
    svg = picture.read_text(encoding="utf-8")
    shown = " ".join(re.findall(r">([^<>]+)</text>", svg)).replace("&#160;", " ")
    assert "$ normbench --version" in shown
    assert f"normbench {__version__}" in shown
    assert not re.findall(r"(?:href|src|url)[=(][\"']?https?:", svg)
