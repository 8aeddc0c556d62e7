"""The entry point: it takes care of Ctrl-C before anything that takes time is imported."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Runs the command line. Ctrl-C ends any command with one line and exit code 130."""
    signal.signal(signal.SIGINT, _interrupt)
    from normbench.cli.streams import make_usable

    make_usable()
    from normbench.cli.main import main

    try:
        main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is over, and Python is about to end


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raises KeyboardInterrupt; during an import ends the process.

    An import may swallow the exception: torch's import of numpy does, and goes on with half of numpy.
    """
    if not _is_importing(frame):
        raise KeyboardInterrupt
    if sys.stderr is not None:
        os.write(sys.stderr.fileno(), b"normbench: stopped\n")
    os._exit(130)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


if __name__ == "__main__":
    main()
