"""Notes on a part of a data set: the larger the part, the louder."""

import logging

log = logging.getLogger(__name__)

MATTERS = 0.01


def note_share(count: int, of: int, text: str) -> None:
    """Logs a note: from MATTERS of the images on as a warning, which is shown with `--quiet` too."""
    log.log(logging.WARNING if count >= MATTERS * of else logging.INFO, f"note: {text}")
