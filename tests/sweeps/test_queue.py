"""The queue of a sweep on simulated machines: every run comes to one end, whatever fails."""

from collections import Counter
from pathlib import Path

import pytest

from normbench.runs.events import EpochDone, Finished, Step, Unfinished
from normbench.sweeps.queue import MOST_LOST, QueueEvent, RunEvent, train_all
from tests.simulated_cluster import HOUR, SimulatedCluster, Trouble, simulated_requests
from tests.studies.scheduling import simulate


def train(cluster: SimulatedCluster, number: int, results: Path) -> list[RunEvent]:
    events: list[QueueEvent] = []
    train_all(simulated_requests(number, results, epochs=3), cluster, events.append)
    return [event for event in events if isinstance(event, RunEvent)]


def statuses(events: list[RunEvent]) -> Counter[str]:
    kinds = [event.event for event in events if isinstance(event.event, Finished | Unfinished)]
    return Counter(kind.status if isinstance(kind, Unfinished) else "finished" for kind in kinds)


def test_runs_of_lost_machines_go_on_elsewhere_and_none_is_trained_twice(tmp_path: Path) -> None:
    cluster = SimulatedCluster(10, Trouble(node_fails_s=0.5 * HOUR, run_fails=0.0))
    events = train(cluster, 60, tmp_path)
    ends = statuses(events)
    assert ends["finished"] == len(set(cluster.finished)) == 60
    assert ends["lost"] > 0
    assert max(event.slot for event in events) < 10
    for folder in tmp_path.iterdir():  # from its checkpoint, not from its beginning
        assert len((folder / "metrics.csv").read_text().splitlines()) == 1 + 3


def test_a_run_that_loses_its_machine_again_and_again_has_failed(tmp_path: Path) -> None:
    """It may be what brings machines down."""
    cluster = SimulatedCluster(2, Trouble(node_fails_s=1.0, repair_s=1.0, run_fails=0.0))
    ends = statuses(train(cluster, 2, tmp_path))
    assert ends == {"lost": 2 * MOST_LOST, "failed": 2}


def test_a_failed_run_is_not_tried_again(tmp_path: Path) -> None:
    cluster = SimulatedCluster(3, Trouble(run_fails=1.0))
    assert statuses(train(cluster, 9, tmp_path)) == {"failed": 9}


def test_progress_is_read_from_the_folders(tmp_path: Path) -> None:
    events = train(SimulatedCluster(1, Trouble(run_fails=0.0)), 1, tmp_path)
    told = [event.event for event in events[:-1]]
    assert [step.epoch for step in told if isinstance(step, Step)] == [0, 1, 2]
    assert [done.row["epoch"] for done in told if isinstance(done, EpochDone)] == [1, 2]


def test_the_simulation_of_many_machines_runs(tmp_path: Path) -> None:
    numbers = simulate(40, 10, tmp_path)
    assert numbers["runs"] == 40


@pytest.mark.parametrize("num_nodes", [1, 50])
def test_no_more_runs_are_in_training_than_there_is_room_for(num_nodes: int, tmp_path: Path) -> None:
    events = train(SimulatedCluster(num_nodes, Trouble(run_fails=0.0)), 5, tmp_path)
    assert max(event.slot for event in events) == min(num_nodes, 5) - 1
