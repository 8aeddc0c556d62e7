"""A run's folder: its files by name, and the search for run folders.

Imports no torch: `compare` surveys a thousand folders in a moment.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import Timeout

from normbench.errors import ConfigError, NormbenchError, cannot_write
from normbench.files import PUBLISHED, half_written
from normbench.locks import LEASE, LOCK, Hold, locked
from normbench.plots.layout import FORMATS
from normbench.text import printable

MOST_DEEP = 50
"""The search goes so many folders deep; results/<experiment>/tuning/<run id> has three."""

PICTURES = ("curves", "misclassified")

OLDER_CHECKPOINTS = ("checkpoint.pt", "checkpoint.previous.pt")
"""Names of older versions, whose checkpoints are not read: such a run begins anew, and removes them at its end."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run. Its properties are paths, whether the files exist or not."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.npz"

    @property
    def weights(self) -> Path:
        return self.path / "model.safetensors"

    def picture(self, name: str, format_: str) -> Path:
        """One of PICTURES; a format is the ending of its file."""
        return self.path / f"{name}.{format_}"

    def outputs(self) -> list[Path]:
        """The files that a finished run has left here."""
        pictures = [self.picture(name, format_) for name in PICTURES for format_ in FORMATS]
        files = (self.record, self.metrics, self.config, self.weights, self.predictions, *pictures)
        return [file for file in files if file.is_file()]

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.safetensors"

    @property
    def previous_checkpoint(self) -> Path:
        """The one before, should the checkpoint be damaged."""
        return self.path / "checkpoint.previous.safetensors"

    @property
    def error(self) -> Path:
        """The traceback of a run that a bug ended; the next attempt removes it."""
        return self.path / "error.log"

    @property
    def lock(self) -> Path:
        """Held by the process that trains this run."""
        return self.path / LOCK

    @property
    def lease(self) -> Path:
        """Names the process that trains this run."""
        return self.path / LEASE

    @contextmanager
    def held(self) -> Iterator[Hold]:
        """This process alone has the folder, which is made if it is missing; see `locked`.

        Raises Timeout if another process has it, ConfigError for a link: the folder that it leads to may be that of
        another run.
        """
        if self.path.is_symlink():
            raise ConfigError(f"{printable(self.path)}: is a link; a run needs a folder of its own: remove the link")
        with locked(self.path, timeout=0) as hold:
            yield hold

    @property
    def is_finished(self) -> bool:
        """The record is written last: where it is, the run is over (finished or diverged)."""
        return self.record.is_file()

    def clear(self) -> None:
        """Removes what an earlier attempt left, the record first; the config, the lock and foreign files stay."""
        results = [self.metrics, self.predictions, self.weights]
        results += [self.picture(name, format_) for name in PICTURES for format_ in FORMATS]
        for file in (self.record, *results, *self.only_while_unfinished):
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise cannot_write(file, error) from error

    @property
    def only_while_unfinished(self) -> tuple[Path, ...]:
        """The files that the end of a run removes."""
        older = (self.path / name for name in OLDER_CHECKPOINTS)
        return (self.checkpoint, self.previous_checkpoint, self.error, *older)

    def remove_checkpoints(self) -> None:
        """Removes the files of an unfinished run, under its lock. A file that cannot be removed stays."""
        for file in self.only_while_unfinished:
            with suppress(OSError):
                file.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Removes what a process left in a finished run's folder if it was killed right after writing the record."""
        if any(
            file.exists() for file in (*self.only_while_unfinished, self.lock, self.lease, *half_written(self.path))
        ):
            with suppress(Timeout, NormbenchError), self.held():  # the lock's holder tidies up itself
                if self.is_finished:
                    self.remove_checkpoints()


_TRIALS = "tuning"


def is_trial(folder: Path) -> bool:
    """Whether the run in `folder` is a trial of a tuning: results/<experiment>/tuning/<run id>."""
    return folder.parent.name == _TRIALS


def experiment_of(run: RunFolder) -> Path:
    """The folder of the experiment that a run, or a trial, belongs to."""
    return run.path.parent.parent if is_trial(run.path) else run.path.parent


def trial_folder(experiment: Path, run_id: str) -> RunFolder:
    """The folder of a trial, for which `is_trial` is true."""
    return RunFolder(experiment / _TRIALS / run_id)


def sweep_file(experiment: Path) -> Path:
    """The file with the plans of the sweeps into an experiment's folder."""
    return experiment / "sweep.json"


def machines_file(experiment: Path) -> Path:
    """The file with what measuring chose for an experiment on each machine."""
    return experiment / "machines.json"


def tuning_file(experiment: Path) -> Path:
    """The file with the result of an experiment's tuning."""
    return experiment / f"{_TRIALS}.json"


def decisions_file(experiment: Path) -> Path:
    """The file with the plan of a sweep until decided, and the result of its last look."""
    return experiment / "decisions.json"


def is_published(folder: Path) -> bool:
    return PUBLISHED in folder.parts


_SIGNS_OF_A_RUN = frozenset({"config.yaml", "run.json", "checkpoint.safetensors"})


@dataclass(frozen=True)
class Survey:
    """The runs at or below some folders; the topmost folders that have no run at or below them; and the folders of
    published runs, which were passed over.
    """

    runs: list[RunFolder]
    foreign: list[Path]
    published: list[Path]


def find_runs(paths: Sequence[Path]) -> list[RunFolder]:
    """All run folders at or below `paths`, each once, sorted: folders that hold a config, a record or a checkpoint.

    Hidden folders and those of published runs are passed over, links are followed. Raises ConfigError for a path that
    is not there.
    """
    return survey(paths).runs


def survey(paths: Sequence[Path]) -> Survey:
    """`find_runs`, and the folders without runs. A path may also be a run's record."""
    walk = _Walk()
    for given in paths:
        path = Path(given)
        if path.name == RunFolder(path).record.name and path.is_file():
            path = path.parent
        if not path.exists():
            raise ConfigError(f"{printable(path)}: no such folder; normbench train --norm gn makes a run, in results")
        if not path.is_dir():
            raise ConfigError(f"{printable(path)} is not a folder; give a folder that holds runs")
        if not walk.finds_runs(path) and not walk.published:
            walk.foreign.append(path)
    return Survey([walk.runs[path] for path in sorted(walk.runs)], sorted(walk.foreign), sorted(walk.published))


@dataclass
class _Walk:
    """What a search has found so far."""

    runs: dict[Path, RunFolder] = field(default_factory=dict)
    foreign: list[Path] = field(default_factory=list)
    published: list[Path] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)

    def finds_runs(self, path: Path, depth: int = 0) -> bool:
        """Whether there is a run in or below `path`; keeps what it finds."""
        if depth > MOST_DEEP:
            return False
        try:
            status = path.stat()
            if (status.st_dev, status.st_ino) in self.seen:  # named twice, or reached by a link
                return True
            self.seen.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                listing = [(entry.name, _is_folder(entry)) for entry in entries]
        except OSError:
            self.runs[path] = RunFolder(path)  # reading its record will say what is wrong with it
            return True
        is_run = any(name in _SIGNS_OF_A_RUN and not is_folder for name, is_folder in listing)
        if is_run:
            self.runs[path] = RunFolder(path)
        folders = [path / name for name, is_folder in sorted(listing) if is_folder and not name.startswith(".")]
        own = [folder for folder in folders if folder.name != PUBLISHED]
        self.published += [folder for folder in folders if folder.name == PUBLISHED]
        without = [folder for folder in own if not self.finds_runs(folder, depth + 1)]
        if not is_run and len(without) == len(own):
            return False
        self.foreign += without
        return True


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself, say
        return False
