"""The exceptions that a user can act on, each with the exit code of the command line."""

import errno


class NormbenchError(Exception):
    """The root of all. `str(error)` is the whole message: what is wrong and where, what is allowed, what to do."""

    exit_code = 1


class ConfigError(NormbenchError):
    """Wrong usage or config: a flag, key or value that is not allowed, or a network over its budget."""

    exit_code = 2


class DataError(NormbenchError):
    """A data set that is missing, damaged, or not in the expected form."""

    exit_code = 3


class RunError(NormbenchError):
    """A run failed or diverged."""

    exit_code = 4


class AnotherAnswer(NormbenchError):
    """The numbers do not say what a script asked for."""

    exit_code = 5


class Interrupted(NormbenchError):
    """The user stopped a run; its checkpoint is kept."""

    exit_code = 130


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ELOOP}
NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}
"""A network file system that does not lock files."""
_DISK = _FULL | {errno.EROFS, errno.EIO}  # errors of the disk, whatever call they come from


def cannot_write(path: object, error: OSError) -> NormbenchError:
    """The error for a failed write to `path`: ConfigError if another place would do, else RunError."""
    number, why = error.errno, error.strerror or error
    if number in _FULL:
        return RunError(
            f"{path}: the disk is full ({why}): make room, and the same command goes on where this one stopped"
        )
    if number in NO_LOCKS:
        return ConfigError(
            f"{path}: {why}, so two processes could train the same run: name a folder on another file system, such as "
            "a local disk"
        )
    if number == errno.ENOENT:
        return RunError(
            f"{path}: cannot be written, as its folder is gone: if it was moved or renamed, give it back its name, and "
            "the same command goes on where this one stopped"
        )
    if number in _NOT_ALLOWED:
        return ConfigError(f"{path}: cannot be written ({why}): name a folder that can be written, or allow it here")
    if number in _IN_THE_WAY:
        return ConfigError(f"{path}: cannot be written ({why}): move away what lies there, or name another folder")
    return RunError(f"{path}: cannot be written ({why}); once it can, the same command goes on where this one stopped")


_NO_MEMORY = (
    *("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "alloc_failed"),
    "failed to map segment",  # the dynamic loader, while a library is imported
    "could not create a primitive",  # oneDNN
    "can't start new thread",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, as reported by Python, the system, torch, CUDA or their libraries."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | ImportError | OSError)
        and any(text in str(error).lower() for text in _NO_MEMORY)
    )


def resource_error(error: Exception) -> NormbenchError | None:
    """The error for an unexpected exception that a full disk or lack of memory explains; None for a bug."""
    if isinstance(error, OSError) and error.errno in _DISK:
        return cannot_write(error.filename or "the output", error)
    if is_out_of_memory(error):
        return RunError(f"out of memory ({error}): try fewer runs at a time (--jobs) or a smaller --batch-size")
    return None
