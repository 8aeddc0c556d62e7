"""Signals while a step is in progress."""

import os
import signal
from threading import Thread

import pytest

from normbench.runs.interrupt import StopRequest


@pytest.mark.parametrize("number", StopRequest.SIGNALS)
def test_the_first_signal_is_a_request_and_the_second_acts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
            assert not stop.requested
            os.kill(os.getpid(), number)
            assert stop.requested
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_outside_of_the_main_thread_nothing_is_requested() -> None:
    requested = []

    def work() -> None:
        with StopRequest() as stop:
            requested.append(stop.requested)

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert requested == [False]
