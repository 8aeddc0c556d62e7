"""The entry point: it takes care of Ctrl-C and of the current folder before anything else is imported."""

import os  # these three are in memory by now: Python itself has imported them
import sys
from types import FrameType


def main() -> None:
    """Runs the command line. Ctrl-C ends any command with one line and exit code 130."""
    import signal

    signal.signal(signal.SIGINT, _interrupt)
    from normbench.cli.streams import make_usable

    make_usable()
    _let_waiting_threads_sleep()
    from normbench.cli.main import main

    try:
        main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is over, and Python is about to end


def _let_waiting_threads_sleep() -> None:
    """PyTorch's threads wait for work for some microseconds only, unless the user has said how they wait.

    By default GNU's OpenMP lets them run for milliseconds, on the cores that the kernels' threads need. It reads the
    environment when torch is imported. Processes that are started from this one take the setting over.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


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


def _forget_the_current_folder() -> None:
    """Takes it off the path, where `python -m` has put it first: a `torch.py` there would be run.

    It stays if this package is in it, as helper processes have to find the package.
    """
    try:
        here = os.getcwd()  # noqa: PTH109  (pathlib would be imported)
    except OSError:  # it was removed
        return
    is_of_this_package = here == os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    if sys.path[0] == here and not sys.flags.safe_path and not is_of_this_package:
        del sys.path[0]


if __name__ == "__main__":
    _forget_the_current_folder()
    main()
