"""An unfinished run's last two checkpoints on disk; the newest one that is whole counts."""

import logging
from collections.abc import Callable

import torch
from torch import nn

from normbench.errors import ConfigError, DataError, RunError
from normbench.files import read_regular, write_bytes_atomically
from normbench.runs.checkpoint import Checkpoint, CheckpointError, from_bytes, to_bytes
from normbench.runs.folder import RunFolder
from normbench.text import printable, shortened

logger = logging.getLogger(__name__)

MAX_TIMES, MAX_MORE_BYTES = 8, 2**26
"""A checkpoint is read if it has no more bytes than so many times the network's weights, and so many more."""


def keep_checkpoint(folder: RunFolder, checkpoint: Checkpoint) -> None:
    """Makes `checkpoint` the run's newest; the one before stays beside it, should the newest be damaged."""
    write_bytes_atomically(folder.checkpoint, to_bytes(checkpoint), keep=folder.previous_checkpoint)


def newest_checkpoint(
    folder: RunFolder, model: nn.Module, fingerprint: str, device: torch.device, check: Callable[[Checkpoint], None]
) -> Checkpoint | None:
    """The newest checkpoint that is whole and passes `check`, which raises CheckpointError; None if there is none.

    Checkpoints that are not whole or do not pass are removed, which is logged. `fingerprint` is that of the data at
    hand: raises DataError for a checkpoint that was trained on other data. Raises ConfigError for the checkpoint of
    another run, which is left alone, and RunError for a file that cannot be read. `model` bounds the size of a file.
    """
    most = MAX_TIMES * sum(tensor.nbytes for tensor in model.state_dict().values()) + MAX_MORE_BYTES
    problems = []
    for file in (folder.checkpoint, folder.previous_checkpoint):
        try:
            checkpoint = from_bytes(read_regular(file, most), device)
            if checkpoint.run != folder.path.name:
                other = printable(shortened(checkpoint.run))
                raise ConfigError(
                    f"{file}: is the checkpoint of another run, {other}: move it back to a folder of that name, or "
                    "give another --results"
                )
            if checkpoint.fingerprint == fingerprint:
                check(checkpoint)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RunError(
                f"{file}: cannot be read ({error.strerror or error}): mend that, or remove it to do without"
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
