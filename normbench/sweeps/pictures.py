"""The pictures of finished runs, drawn in the process of the sweep while a GPU trains the next runs."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from normbench.config import Config
from normbench.data.dataset import Dataset
from normbench.runs.execute import tidy
from normbench.runs.folder import RunFolder
from normbench.train.machine import Machine

Draw = Callable[[Config, RunFolder], None]


def drawn_beside(machine: Machine) -> bool:
    """Whether the process of the sweep draws the pictures; on the CPU drawing would take a core from a run."""
    return machine.is_cuda


@contextmanager
def drawing(dataset: Dataset) -> Iterator[Draw]:
    """Within, the function has the pictures of a finished run drawn in a thread; leaving waits for the last picture.

    `dataset`: that of all runs. If the block ends with an exception, the runs whose turn has not come keep their
    checkpoints, and the next command that meets them draws their pictures.
    """
    drawn: list[Future[None]] = []
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            yield lambda config, folder: drawn.append(thread.submit(tidy, config, folder, lambda: dataset))
        except BaseException:
            thread.shutdown(cancel_futures=True)
            raise
    for each in drawn:
        each.result()
