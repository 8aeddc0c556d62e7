"""An unfinished run's last two checkpoints on disk; the newest one that is whole counts."""

import logging
from collections.abc import Callable

import torch

from normbench.errors import DataError, RunError
from normbench.files import read_regular, write_bytes_atomically
from normbench.runs.folder import RunFolder
from normbench.train.checkpoint import Checkpoint, CheckpointError, from_bytes, to_bytes

logger = logging.getLogger(__name__)

MAX_BYTES = 2**32
"""A larger file is no checkpoint of normbench and is not read."""


def keep_checkpoint(folder: RunFolder, checkpoint: Checkpoint) -> None:
    """Makes `checkpoint` the run's newest; the one before stays beside it, should the newest be damaged."""
    write_bytes_atomically(folder.checkpoint, to_bytes(checkpoint), keep=folder.previous_checkpoint)


def newest_checkpoint(
    folder: RunFolder, fingerprint: str, device: torch.device, check: Callable[[Checkpoint], None]
) -> Checkpoint | None:
    """The newest checkpoint that is whole and passes `check`, which raises CheckpointError; None if there is none.

    Checkpoints that are not whole or do not pass are removed, which is logged. `fingerprint` is that of the data at
    hand: raises DataError for a checkpoint that was trained on other data. Raises RunError for a file that cannot be
    read.
    """
    problems = []
    for file in (folder.checkpoint, folder.previous_checkpoint):
        try:
            checkpoint = from_bytes(read_regular(file, MAX_BYTES), device)
            if checkpoint.run != folder.path.name:
                raise CheckpointError(f"it is of another run, {checkpoint.run:.60}")
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
            file.unlink()  # or the next checkpoint would make the damaged one the one before
            continue
        if problems:
            logger.info(f"{problems[0]}: going on from the checkpoint before it")
        if checkpoint.fingerprint != fingerprint:
            raise DataError(
                f"{file}: the data have changed since this run was begun (fingerprint {checkpoint.fingerprint[:12]}, "
                f"now {fingerprint[:12]}): give the same data again, or begin anew with normbench train --restart, or "
                "with another --results"
            )
        return checkpoint
    if problems:
        logger.info(f"{'; '.join(problems)}: starting from the beginning")
    return None
