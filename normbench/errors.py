"""One exception root; each class carries the exit code the command line ends with."""

import errno


class NormbenchError(Exception):
    """Something a user can mend. `str(error)` is the whole message: what, where, what is allowed, the way out."""

    exit_code = 1


class ConfigError(NormbenchError):
    """A usage or config error: a bad flag, key, value, or a network over its budget."""

    exit_code = 2


class DataError(NormbenchError):
    """The data set is missing, damaged, or not in the expected form."""

    exit_code = 3


class RunError(NormbenchError):
    """A run failed or diverged."""

    exit_code = 4


class Interrupted(NormbenchError):
    """The user stopped a run; its checkpoint is kept."""

    exit_code = 130


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ELOOP}
_DISK = _FULL | {errno.EROFS, errno.EIO}  # what only a disk has to say, whichever call hears it


def cannot_write(path: object, error: OSError) -> NormbenchError:
    """What a file that cannot be written means, with a way out: ConfigError where the place is wrong, else RunError."""
    number, why = error.errno, error.strerror or error
    if number in _FULL:
        return RunError(
            f"{path}: the disk is full ({why}): make room, and the same command goes on where this one stopped"
        )
    if number in _NOT_ALLOWED:
        return ConfigError(f"{path}: cannot be written ({why}): name a folder that can be written, or allow it here")
    if number in _IN_THE_WAY:
        return ConfigError(f"{path}: cannot be written ({why}): move away what lies there, or name another folder")
    return RunError(f"{path}: cannot be written ({why}); once it can, the same command goes on where this one stopped")


_NO_MEMORY = (
    *("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "alloc_failed"),
    "failed to map segment",  # of a library that is being imported
    "could not create a primitive",  # oneDNN, without a word about memory
    "can't start new thread",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Python, the system, torch on the CPU, CUDA and its libraries each have their own way to say it."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | ImportError | OSError)
        and any(text in str(error).lower() for text in _NO_MEMORY)
    )


def trouble_of_the_machine(error: Exception) -> NormbenchError | None:
    """What an exception that no code of ours expects means where disk or memory are to blame; None for a bug."""
    if isinstance(error, OSError) and error.errno in _DISK:
        return cannot_write(error.filename or "the output", error)
    if is_out_of_memory(error):
        return RunError(f"out of memory ({error}): try fewer runs at a time (--jobs) or a smaller --batch-size")
    return None
