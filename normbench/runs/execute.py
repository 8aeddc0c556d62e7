"""Trains runs, from their configs to their finished folders: one alone, or several that differ in their seed only."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import groupby
from typing import NoReturn

from filelock import Timeout

from normbench.config import Config, DataConfig
from normbench.data.dataset import Dataset
from normbench.data.load import load_dataset
from normbench.data.sources.registry import CONSTANT_SOURCES
from normbench.errors import DataError, NormbenchError, RunError
from normbench.locks import Hold, owner
from normbench.runs.also_test import tested_also
from normbench.runs.events import Finished, GroupReport, Report
from normbench.runs.folder import RunFolder
from normbench.runs.out_of_memory import memory_explained
from normbench.runs.outside import outside_explained
from normbench.runs.pictures import draw_run
from normbench.runs.read import finished_record
from normbench.runs.record import Record
from normbench.runs.splits import splits
from normbench.runs.stages import finish, prepare
from normbench.runs.training import train
from normbench.train.machine import Machine, using_threads

OnError = Callable[[int, Exception], None]
"""Called with the number of a run and the error that ended it."""


class RunIsBusy(RunError):
    """Another process holds the run's lock."""


def _ignore(*event: object) -> None:
    pass


def _raise(number: int, error: Exception) -> NoReturn:
    raise error


def train_run(
    config: Config,
    folder: RunFolder,
    dataset: Dataset,
    machine: Machine,
    *,
    restart: bool = False,
    pictures: bool = True,
    report: Report = _ignore,
) -> Record:
    """Trains one run and writes its folder, going on from its checkpoint where there is one; returns its record.

    A run that is finished is left as it is unless `restart`. A run that diverges is a result: it ends like any other,
    with that status. `pictures`: whether to draw them; if not, `tidy` does. `report` is called with each event of the
    run.

    Raises ConfigError for a network over its budget or a folder that cannot be written, DataError for a run that was
    finished or begun on other data, RunIsBusy if another process trains this run, RunError for a full disk or too
    little memory, Interrupted after SIGINT or SIGTERM.
    """
    records = train_group(
        [(config, folder)],
        dataset,
        machine,
        restart=restart,
        pictures=pictures,
        report=lambda number, event: report(event),
    )
    return records[0]


def train_group(
    runs: Sequence[tuple[Config, RunFolder]],
    dataset: Dataset,
    machine: Machine,
    *,
    way: str | None = None,
    restart: bool = False,
    pictures: bool = True,
    report: GroupReport = _ignore,
    on_error: OnError = _raise,
) -> dict[int, Record]:
    """Trains runs that differ in their seed only as `train_run` trains one, all in the same steps.

    `way`: one of WAYS, how they train together; None for a single run. Runs whose checkpoints stand at different places
    train one after the other. An error that concerns one run goes to `on_error`; if that returns, the others go on.
    A run that is interrupted may go on alone, or with others. Another process may lock the folder of a run as soon as
    the run is reported to be finished. Returns the records of the finished runs by their number in `runs`. Raises what
    `train_run` raises where an error concerns all runs that are not over.
    """
    batch_size = runs[0][0].train.batch_size
    records: dict[int, Record] = {}
    locks: dict[int, ExitStack] = {}

    @contextmanager
    def apart(number: int) -> Iterator[None]:
        """Within, an error ends this run and not the others."""
        try:
            with memory_explained(batch_size, machine.device):
                yield
        except Exception as error:
            on_error(number, error)

    def end(number: int, record: Record, *, already: bool) -> None:
        records[number] = record
        locks[number].close()
        report(number, Finished(record, already))

    with ExitStack() as all_locks, using_threads(machine.threads):
        sessions = []
        for number, (config, folder) in enumerate(runs):
            with apart(number):
                locks[number] = all_locks.enter_context(ExitStack())
                hold = locks[number].enter_context(_locked(folder))
                if restart:
                    folder.clear()
                if folder.is_finished:
                    record = finished_record(folder, dataset.fingerprint)
                    end(number, tested_also(config, folder, record, machine, lambda: dataset), already=True)
                else:
                    sessions.append(prepare(number, config, folder, hold, dataset, machine))
                    report(number, sessions[-1].started())
        for _, group in groupby(sorted(sessions, key=lambda session: session.place), lambda session: session.place):
            together = list(group)
            with using_threads(together[0].threads):
                models = [session.model for session in together]
                with memory_explained(batch_size, machine.device), outside_explained(together[0].config, models):
                    train(together, way, report)
                for session in together:
                    with apart(session.number), outside_explained(session.config, [session.model]):
                        end(session.number, finish(session, pictures=pictures), already=False)
    return records


@contextmanager
def _locked(folder: RunFolder) -> Iterator[Hold]:
    """This process alone trains the run. Raises RunIsBusy if another one does."""
    try:
        with folder.held() as hold:
            folder.error.unlink(missing_ok=True)
            yield hold
    except Timeout as error:
        who = owner(folder.path)
        raise RunIsBusy(
            f"{folder.path}: another process is training this run{who and f' ({who})'}; wait for it, or stop it"
        ) from error


def record_before(config: Config, folder: RunFolder, machine: Machine, *, bar: bool) -> Record | None:
    """The record of a run that is finished already, which needs no data; None for any other.

    Where the data may change, they are loaded (`bar`: with a progress bar) and compared. A run that was not yet tested
    on the config's further test images is tested now. Raises RecordError for a damaged record, DataError for data that
    cannot be read, and for a run that was finished on other data.
    """
    if not folder.is_finished:
        return None
    loaded = partial(load_dataset, config.data, bar=bar)
    tidy(config, folder, loaded)
    record = finished_record(folder, _fingerprint_now(config.data, folder, bar=bar))
    if config.data.also_test is None:
        return record
    with _locked(folder):
        return tested_also(config, folder, record, machine, loaded)


def tidy(config: Config, folder: RunFolder, loaded: Callable[[], Dataset]) -> None:
    """Does what is left undone in a finished run's folder: draws the pictures, then removes the checkpoints.

    Nothing is left unless the run trained without pictures, or its process was killed. Where another process has the
    folder, nothing is done. `loaded` gives the run's data, which only a run without its pictures needs.
    """
    if folder.checkpoint.exists():  # it is removed after the pictures
        with suppress(Timeout, NormbenchError), folder.held():
            dataset = loaded()
            held_out = splits(config, dataset).held_out
            if not draw_run(config, folder, finished_record(folder, dataset.fingerprint), dataset, held_out):
                return
    folder.tidy()


def _fingerprint_now(data: DataConfig, folder: RunFolder, *, bar: bool) -> str | None:
    """The fingerprint of today's data; None for a source that never changes."""
    if data.source in CONSTANT_SOURCES:
        return None
    try:
        return load_dataset(data, bar=bar).fingerprint
    except DataError as error:
        raise DataError(
            f"{error}; the run is finished, and normbench compare {folder.path} shows its result, which needs no images"
        ) from error
