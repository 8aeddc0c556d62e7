"""Exceptions that a full disk or a lack of memory explains become one sentence; all others stay bugs."""

import errno
import os

import pytest

from normbench.errors import ConfigError, NormbenchError, RunError, cannot_write, resource_error


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, RunError),
        (errno.EIO, RunError),
        (errno.EACCES, ConfigError),
        (errno.EROFS, ConfigError),
        (errno.EEXIST, ConfigError),
        (errno.ENOTDIR, ConfigError),
        (errno.EINVAL, RunError),
    ],
)
def test_a_failed_write_names_the_path_and_the_reason(number: int, kind: type[NormbenchError]) -> None:
    error = cannot_write("some/file", OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert str(error).startswith("some/file: ")
    assert os.strerror(number) in str(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "some/file"),
        OSError(errno.EIO, "Input/output error"),
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("could not create a primitive"),
        RuntimeError("can't start new thread"),
        ImportError("libtorch.so: failed to map segment from shared object"),
    ],
)
def test_a_lack_of_disk_or_memory_is_no_bug(error: Exception) -> None:
    assert isinstance(resource_error(error), RunError)


@pytest.mark.parametrize(
    "error", [ValueError("out of memory"), RuntimeError("shapes differ"), OSError(errno.ENOENT, "")]
)
def test_all_other_exceptions_are_bugs(error: Exception) -> None:
    assert resource_error(error) is None
