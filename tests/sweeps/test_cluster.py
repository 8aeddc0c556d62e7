"""A sweep on a real Ray cluster of several nodes, all on this machine."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from normbench.config import load_config
from normbench.runs.events import EpochDone, Finished, Unfinished
from normbench.runs.registries import REGISTRIES
from normbench.runs.run_id import folder_of
from normbench.sweeps.cluster import RayCluster, num_groups
from normbench.sweeps.pool import LocalPool
from normbench.sweeps.queue import QueueEvent, RunEvent, train_all
from normbench.sweeps.worker import RunRequest
from normbench.train.machine import Machine
from tests.tiny import assert_same_bits

pytest.importorskip("ray", reason="the extra `ray` is not installed")

MACHINE = Machine(torch.device("cpu"), threads=1, precision="fp32")
NODE = {"num_cpus": 1, "memory": 2**31, "object_store_memory": 75 * 2**20}


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head that trains nothing and two nodes with a core each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(**NODE)
    yield cluster
    import ray

    ray.shutdown()
    cluster.shutdown()


def requests_for(images: Path, results: Path, epochs: int) -> list[RunRequest]:
    settings: dict[str, Any] = {
        "data.source": "folder",
        "data.dir": str(images),
        "norm": {"kind": "gn"},
        "budget.max_epochs": None,
        "train.epochs": epochs,
        "train.batch_size": 8,
    }
    requests = []
    for seed in range(3):
        overrides = [(key, value, key) for key, value in (settings | {"seeds": [seed]}).items()]
        config = load_config("default", REGISTRIES, overrides)
        requests.append(RunRequest(config, folder_of(config, results)))
    return requests


def ends(events: list[QueueEvent]) -> list[str]:
    """What became of the runs, in the order of their ends."""
    return [
        event.event.status if isinstance(event.event, Unfinished) else "finished"
        for event in events
        if isinstance(event, RunEvent) and isinstance(event.event, Finished | Unfinished)
    ]


def test_a_sweep_on_a_cluster_is_stopped_loses_a_node_and_has_the_bits_of_a_local_one(
    cluster: Any, images: Path, tmp_path: Path
) -> None:
    requests = requests_for(images, tmp_path / "ray", epochs=30)
    assert num_groups(cluster.address, MACHINE) == 2

    def train(at_first_epoch: Any) -> list[QueueEvent]:
        events: list[QueueEvent] = []

        def follow(event: QueueEvent) -> None:
            events.append(event)
            told = [it for it in events if isinstance(it, RunEvent) and isinstance(it.event, EpochDone)]
            if len(told) == 1 and events[-1] is told[0]:
                at_first_epoch()

        executor = RayCluster(cluster.address, MACHINE, None, requests[0].folder.path.parent, images)
        train_all(requests, executor, follow)
        return events

    stopped = ends(train(lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert set(stopped) == {"interrupted"}
    begun = [request.folder.checkpoint.exists() for request in requests]
    assert any(begun)

    node = next(iter(cluster.worker_nodes))
    found = ends(train(lambda: cluster.remove_node(node, allow_graceful=False)))
    assert found.count("lost") == 1
    assert found.count("finished") == 3
    assert not list(requests[0].folder.path.parent.glob(".sweep*"))  # nothing is left of the checks

    alone = requests_for(images, tmp_path / "alone", epochs=30)
    train_all(alone, LocalPool(MACHINE, 2), lambda event: None)
    for request, other in zip(requests, alone, strict=True):
        assert_same_bits(request.folder, other.folder)
