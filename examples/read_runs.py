"""Reads the runs of an experiment with nothing but the standard library.

python examples/read_runs.py results/published/seeds-h200
"""

import json
import sys
from pathlib import Path

for path in sorted(Path(sys.argv[1]).glob("*/run.json")):  # run.json exists = the run is over
    run = json.loads(path.read_text(encoding="utf-8"))
    if run["status"] == "finished":  # or "diverged"
        accuracy = run["metrics"][f"{run['data']['evaluated_on']}_accuracy"]
        print(f"{run['label']}  seed {run['seed']}  {accuracy:.2%}  {run['model']['num_parameters']:,} parameters")
