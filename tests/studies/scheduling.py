"""What it costs a sweep to keep many machines busy: 10,000 runs on 200 simulated nodes that fail, no training.

The queue, the reading of progress from folders and the piped view are those of `normbench sweep --on ray`; the nodes,
the clock and what the runs write are simulated, and their time is not counted. Nor is that of Ray itself.

    python -m tests.studies.scheduling [--runs 10000] [--nodes 200] [--output scheduling.json]

prints the numbers and writes them. About a minute.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from rich.console import Console

from normbench.present.terminal.sweep import SweepView
from normbench.runs.events import Finished, Unfinished
from normbench.sweeps.queue import QueueEvent, RunEvent, train_all
from normbench.sweeps.run import Planned, Trained
from tests.simulated_cluster import SimulatedCluster, Trouble, simulated_plan, simulated_requests


def simulate(num_runs: int, num_nodes: int, results: Path) -> dict[str, object]:
    """The numbers of one simulated sweep."""
    requests = simulated_requests(num_runs, results)
    cluster = SimulatedCluster(num_nodes, Trouble())
    ends: dict[str, int] = {}
    resident: list[float] = []

    with Path(os.devnull).open("w") as nowhere, SweepView(Console(file=nowhere), quiet=False) as view:
        view.show(Planned("simulated", simulated_plan(requests, num_nodes), ("norm",), "", trains=True))

        def follow(event: QueueEvent) -> None:
            view.show(event)
            if isinstance(event, RunEvent) and isinstance(event.event, Finished | Unfinished):
                kind = "finished" if isinstance(event.event, Finished) else event.event.status
                ends[kind] = ends.get(kind, 0) + 1
                over = sum(ends.values()) - ends.get("lost", 0)
                if kind != "lost" and over * 10 % num_runs == 0:
                    resident.append(resident_mib())

        begun, own = time.process_time(), cluster.own_cpu_s
        train_all(requests, cluster, follow)
        driver_s = time.process_time() - begun - (cluster.own_cpu_s - own)
        view.show(Trained())

    assert len(set(cluster.finished)) == len(cluster.finished) == ends["finished"]
    assert ends["finished"] + ends["failed"] == num_runs
    return {
        "runs": num_runs,
        "nodes": num_nodes,
        "node_failures": cluster.failures,
        "ends": ends,
        "driver_cpu_s_per_100_runs": round(100 * driver_s / num_runs, 3),
        "resident_mib_at_each_tenth": [round(mib, 1) for mib in resident],
        "processor": processor(),
    }


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scheduling-") as folder:
        numbers = simulate(chosen.runs, chosen.nodes, Path(folder))
    text = json.dumps(numbers, indent=2)
    print(text)
    if chosen.output:
        chosen.output.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
