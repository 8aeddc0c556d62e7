"""Download a file of known size and MD5. A broken download is resumed; a wrong file never reaches its place.

Not pooch: it neither resumes nor stops a server that sends more than the expected size.
"""

import hashlib
import logging
import os
import re
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse
from io import BufferedRandom, BufferedReader, BytesIO
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from normbench.data.progress import Report, progress
from normbench.errors import DataError
from normbench.files import open_own, put_in_place

log = logging.getLogger(__name__)

ATTEMPTS = 5  # for each URL; the second and later ones resume where the connection broke
TIMEOUT_S = 30
CHUNK_BYTES = 1 << 18


class DownloadFailed(DataError):
    """No URL gave the file; the message names each URL and its failure."""


class _AnotherFile(Exception):
    """The server sends another file: its size is wrong."""


def md5_of(file: BufferedReader | BufferedRandom | BytesIO) -> str:
    """MD5 (hex) of an open file from its beginning to its end."""
    file.seek(0)
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def fetch(urls: Sequence[str], target: Path, md5: str, size: int, bar: bool) -> None:
    """Make `target` the file with this MD5 and `size` in bytes, from the first URL that gives it.

    Received bytes are kept in `<target>.part` until their MD5 is right, so that an interrupted download is resumed. The
    caller holds a lock. Raises DownloadFailed with the failure of every URL, DataError if the file cannot be written.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = open_own(part)
    except OSError as error:
        raise DataError(f"{part}: cannot be written ({error}); NORMBENCH_CACHE names another place") from error
    reasons = []
    with file:
        for url in urls:
            log.info(f"downloading {url}")
            with progress(target.name, "bytes", bar) as report:
                reason = _from_url(url, file, md5, size, report)
            if reason is None:
                break
            reasons.append(f"{url}: {reason}")
        is_empty = not _size(file)
    if len(reasons) < len(urls):
        put_in_place(part, target)
        return
    if is_empty:
        part.unlink(missing_ok=True)
    raise DownloadFailed("; ".join(reasons))


def _from_url(url: str, part: BufferedRandom, md5: str, size: int, report: Report) -> str | None:
    """Fill `part` from one URL. Returns None once the MD5 is right, else the reason of the failure."""
    if not url.startswith(("http://", "https://")):
        return "only http:// and https:// addresses are supported"
    reason = "no answer"
    for _ in range(ATTEMPTS):
        before = _size(part)
        if before and md5_of(part) == md5:
            return None  # an earlier process was stopped between the last byte and the rename
        try:
            resumed = _receive(url, part, size, report)
        except _AnotherFile as error:
            return str(error)
        except HTTPError as error:
            error.close()
            reason = f"HTTP {error.code} {error.reason}"
            if error.code != 416 or not before:
                return reason
            part.truncate(0)  # 416 (range not satisfiable): `part` is not the beginning of this file
            continue
        except (OSError, HTTPException, ValueError) as error:
            reason = str(error.reason if isinstance(error, URLError) else error) or type(error).__name__
            if _size(part) <= before:
                return reason
            log.info(f"{reason}; trying to go on")
            continue
        found, received = md5_of(part), _size(part)
        if found == md5:
            return None
        part.truncate(0)
        reason = f"the file it gives has MD5 {found} ({received:,} bytes), expected {md5}"
        if not resumed:
            return reason
        log.info("the resumed download is damaged: beginning anew")
    return reason


def _receive(url: str, part: BufferedRandom, size: int, report: Report) -> bool:
    """Receive the missing bytes into `part`, never more than `size` in all. Returns whether old bytes were kept.

    Raises _AnotherFile for a file of another size, OSError if the connection breaks.
    """
    have = _size(part)
    headers = {"User-Agent": "normbench", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    response: HTTPResponse
    request = Request(url, headers=headers)  # noqa: S310  (_from_url has let http and https through, nothing else)
    with urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
        start, total = _span(response)
        if total not in (None, size):
            raise _AnotherFile(f"the file it gives has {total:,} bytes, expected {size:,}")
        if start != have:
            if start:
                raise ConnectionError(f"the server sent bytes from {start:,}, asked for {have:,}")
            log.info("the server cannot resume: beginning anew")
        elif have:
            log.info(f"going on at {have / 1e6:.1f} MB")
        done = start
        part.truncate(start)
        part.seek(start)
        report(done, size)
        while chunk := response.read(CHUNK_BYTES):
            done += len(chunk)
            if done > size:
                part.truncate(0)
                raise _AnotherFile(f"it gives more than the {size:,} bytes expected")
            _write(part, chunk)
            report(done, size)
    if total is not None and done < size:
        raise ConnectionError(f"the connection ended after {done:,} of {size:,} bytes")
    return start > 0


def _span(response: HTTPResponse) -> tuple[int, int | None]:
    """(index of the response's first byte in the file, size of the whole file if the server states it)."""
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match is None:
            raise ConnectionError("the server answered with a part but did not say which")
        return int(match[1]), None if match[3] == "*" else int(match[3])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _write(part: BufferedRandom, chunk: bytes) -> None:
    try:
        part.write(chunk)
        part.flush()
    except OSError as error:  # a full disk: other URLs do not help
        raise DataError(f"{part.name}: cannot be written ({error}); NORMBENCH_CACHE names another place") from error


def _size(part: BufferedRandom) -> int:
    return os.fstat(part.fileno()).st_size
