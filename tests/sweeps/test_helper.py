"""Helper processes run nothing because it lies in the current folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from normbench.sweeps.helper import as_helper

ROOT = Path(__file__).parents[2]
SPAWNED = """
import multiprocessing, os, sys
from normbench.sweeps.helper import as_helper

def main():
    context = multiprocessing.get_context(sys.argv[1])
    if sys.argv[1] == "forkserver":
        context.set_forkserver_preload(["colorsys"])
    ours, theirs = context.Pipe()
    process = context.Process(target=print, args=("done",))
    with as_helper():
        process.start()
    process.join()
    raise SystemExit(process.exitcode)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_modules_of_the_current_folder_are_not_run(method: str, tmp_path: Path) -> None:
    """Modules that Python itself imports for such a process, and one that is preloaded."""
    if method == "forkserver" and os.name == "nt":
        pytest.skip("no fork server")
    script, here = tmp_path / "script" / "main.py", tmp_path / "here"
    script.parent.mkdir()
    script.write_text(SPAWNED)
    here.mkdir()
    for name in ("multiprocessing", "pickle", "socket", "colorsys", "torch"):
        (here / f"{name}.py").write_text("raise SystemExit('code of the current folder was run')")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script, method], cwd=here, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_the_parent_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = signal.getsignal(signal.SIGINT)
    for before in (None, "0"):
        monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
        if before is not None:
            monkeypatch.setenv("PYTHONSAFEPATH", before)
        with pytest.raises(ZeroDivisionError), as_helper():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            raise ZeroDivisionError
        assert os.environ.get("PYTHONSAFEPATH") == before
        assert signal.getsignal(signal.SIGINT) is handler
