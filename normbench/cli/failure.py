"""What a user can do about an exception that comes from a library, for want of something in the environment."""

import os
import sys

from normbench.errors import ConfigError, NormbenchError, resource_error

_NO_TEMPORARY_FOLDER = "No usable temporary directory"  # of Python's `tempfile`, which torch asks while it is imported


def explained(error: Exception) -> NormbenchError | None:
    """The error for an unexpected exception that the machine or the environment explains; None for a bug."""
    if _NO_TEMPORARY_FOLDER in str(error):
        return ConfigError("no folder for temporary files can be written: name one in the environment variable TMPDIR")
    if _is_from_importing_torch(error):
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        named = sorted(name for name in os.environ if name.startswith(("TORCH", "PYTORCH")))
        hint = f"; the environment variables {', '.join(named)} are set, and may be why" if named else ""
        return ConfigError(f"PyTorch cannot be imported: {first}{hint}")
    return resource_error(error)


def _is_from_importing_torch(error: Exception) -> bool:
    """Whether torch's own module was being run: Python forgets a module whose import fails."""
    if "torch" in sys.modules:
        return False
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__") == "torch":
            return True
        traceback = traceback.tb_next
    return False
