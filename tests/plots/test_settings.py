"""Pictures do not depend on the folder one stands in, nor on the variables of a notebook."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = """
import os
from normbench.plots.settings import load_matplotlib
load_matplotlib()
import matplotlib
assert os.environ.get("MPLBACKEND") == "module://matplotlib_inline.of_nobody"
assert not os.path.exists("here") or open("here").read() == "yes"
print(matplotlib.get_backend().lower(), matplotlib.rcParams["text.usetex"], matplotlib.rcParams["font.size"])
"""


@pytest.mark.parametrize("content", [b"text.usetex: True\nfont.size: 1e9\n", b"\xff\xfe no text", None])
def test_the_settings_are_ours(content: bytes | None, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("yes")
    if content is not None:
        (tmp_path / "matplotlibrc").write_bytes(content)
    environment = {"PYTHONPATH": str(ROOT), "MPLBACKEND": "module://matplotlib_inline.of_nobody"}
    code = CODE if content is not None else "import os; os.rmdir(os.getcwd())" + CODE
    if content is None:
        (tmp_path / "here").unlink()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("agg False 10.0\n", "")
