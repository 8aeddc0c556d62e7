"""What an unfinished run keeps on disk: its last two checkpoints, of which the newest whole one counts."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from normbench.errors import DataError, RunError
from normbench.files import read_regular, write_bytes_atomically
from normbench.runs.environment import Environment
from normbench.runs.folder import RunFolder
from normbench.train.checkpoint import Checkpoint, CheckpointError, from_bytes, to_bytes

MAX_BYTES = 2**32
"""Of a checkpoint: more is none of ours."""


def keep_checkpoint(folder: RunFolder, checkpoint: Checkpoint) -> None:
    """Makes it the run's checkpoint; the one it replaces stays beside it, should this one be damaged."""
    write_bytes_atomically(folder.checkpoint, to_bytes(checkpoint), keep=folder.previous_checkpoint)


def newest_checkpoint(
    folder: RunFolder,
    fingerprint: str,
    device: torch.device,
    check: Callable[[Checkpoint], None],
    say: Callable[[str], None],
) -> Checkpoint | None:
    """The newest checkpoint that is whole and passes `check`; says which ones do not, and removes them.

    Raises DataError if it was trained on other data than `fingerprint` tells, RunError if it cannot be read.
    """
    problems = []
    for file in (folder.checkpoint, folder.previous_checkpoint):
        try:
            checkpoint = from_bytes(read_regular(file, MAX_BYTES), device)
            _check_origin(checkpoint, folder)
            if checkpoint.fingerprint == fingerprint:
                check(checkpoint)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RunError(
                f"{file}: cannot be read ({error.strerror}): mend that, or remove it to do without"
            ) from error
        except CheckpointError as error:
            problems.append(f"{file} is damaged ({error})")
            file.unlink()  # or it would take the place of the one before
            continue
        if problems:
            say(f"{problems[0]}: going on from the checkpoint before it")
        if checkpoint.fingerprint != fingerprint:
            raise DataError(
                f"{file}: the data have changed since this run was begun (fingerprint {checkpoint.fingerprint[:12]}, "
                f"now {fingerprint[:12]}): give the same data again, or begin anew with normbench train --restart, or "
                "with another --results"
            )
        return checkpoint
    if problems:
        say(f"{'; '.join(problems)}: starting from the beginning")
    return None


def _check_origin(checkpoint: Checkpoint, folder: RunFolder) -> None:
    """Raises CheckpointError unless it is of the run in this folder, trained on some data or other."""
    if checkpoint.run != folder.path.name:
        raise CheckpointError(f"it is of another run, {checkpoint.run!s:.60}")
    if type(checkpoint.fingerprint) is not str:
        raise CheckpointError("it does not say which data it was trained on")


def environments_so_far(resumed: Checkpoint | None, now: Environment, say: Callable[[str], None]) -> list[Environment]:
    """What a run is trained in, `now` last; the threads are those it was begun with. Says what is not as it was."""
    if not resumed:
        return [now]
    before = resumed.environments[-1]
    if now["threads"] != before["threads"]:
        say(f"threads: {before['threads']} as the run was begun, not {now['threads']}, for their number changes bits")
        now = now | {"threads": before["threads"]}
    if now == before:
        return resumed.environments
    changes = "; ".join(
        f"{key} {values[0]}, now {values[1]}" for key, values in environment_changes([before, now]).items()
    )
    say(f"note: not what the run was begun in, so its bits may not be those of an undisturbed run: {changes}")
    return [*resumed.environments, now]


def environment_changes(environments: Sequence[Environment]) -> dict[str, list[Any]]:
    """What was not the same from a run's first step to its last: by key the values one after the other."""
    changes = {}
    for key in dict.fromkeys(key for environment in environments for key in environment):
        values = [environment.get(key) for environment in environments]
        kept = [value for number, value in enumerate(values) if number == 0 or value != values[number - 1]]
        if len(kept) > 1:
            changes[key] = kept
    return changes
