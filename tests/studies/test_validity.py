"""The simulation script runs, whole and small; its numbers lie in results/published/validity/."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_check_runs_and_is_written(tmp_path: Path) -> None:
    output = tmp_path / "validity.json"
    script = [sys.executable, "-m", "tests.studies.validity", "--repetitions", "3", "--output", str(output)]
    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    written = json.loads(output.read_text())
    committed = json.loads((ROOT / "results/published/validity/validity.json").read_text())
    names = [[(check["what"], check["setting"]) for check in each["checks"]] for each in (written, committed)]
    assert names[0] == names[1]
    assert all(check["repetitions"] >= 1000 for check in committed["checks"])
    assert len(done.stdout.splitlines()) == 2 + len(names[0])
