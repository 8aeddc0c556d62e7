"""Messages go to stderr as they are, with nothing that could steer the terminal."""

import logging
from collections.abc import Iterator

import pytest

from normbench.cli.output import say, show_log


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    logger = logging.getLogger("normbench")
    handlers, level = logger.handlers, logger.level
    yield
    logger.handlers = handlers
    logger.setLevel(level)


def test_a_message_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    say("my_norms:x:[bold]\x1b[31m\nsecond line " + "x" * 200)
    out, error = capsys.readouterr()
    assert out == ""
    assert error == "my_norms:x:[bold]\\x1b[31m\nsecond line " + "x" * 200 + "\n"


@pytest.mark.parametrize("quiet", [False, True])
def test_the_log_is_shown_and_with_quiet_its_warnings(quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    show_log(quiet=quiet)
    show_log(quiet=quiet)  # a second command in one process: no line comes twice
    logging.getLogger("normbench.data.load").info("50% of it")
    logging.getLogger("normbench").debug("not for users")
    logging.getLogger("normbench.data").warning("half of the images are left out")
    assert capsys.readouterr().err == ("" if quiet else "50% of it\n") + "half of the images are left out\n"
