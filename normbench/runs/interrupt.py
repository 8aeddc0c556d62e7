"""Ctrl-C as a request, so that a step in progress is finished first."""

import signal
import threading
from types import FrameType, TracebackType


class StopRequest:
    """Within, the first SIGINT or SIGTERM only sets `requested`; a second one acts at once.

    Outside of the main thread Python allows no signal handlers, and `requested` stays false.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> "StopRequest":
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = [signal.signal(number, self._request) for number in self.SIGNALS]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()

    def _restore(self) -> None:
        if self._main:
            for number, handler in zip(self.SIGNALS, self._before, strict=True):
                signal.signal(number, handler)
