"""A web server on this machine for tests of downloads: it breaks off, resumes or sends without end, as it is set."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

ENDLESS = 2**30
"""Bytes: a server that sends them all was not stopped."""


@dataclass
class Server:
    """Serves `content` at /good, a short page at /page, and without end at /endless and /huge (which states a size)."""

    content: bytes
    port: int = 0
    ranges: bool = True
    break_after: int | None = None  # bytes a request gets before the connection ends
    # The Range header of each request
    ranges_asked: list[str | None] = field(default_factory=list)
    kept: int = 0  # bytes that the client of /endless or /huge has already
    sent: int = 0  # bytes sent to it

    def url(self, path: str = "good") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


@contextmanager
def serving(content: bytes) -> Iterator[Server]:
    """Serve on a free port until the block ends."""
    state = Server(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            state.ranges_asked.append(asked)
            if self.path == "/missing":
                self.send_error(404)
                return
            if self.path in ("/endless", "/huge"):
                self.send_without_end(tells_size=self.path == "/huge")
                return
            body, start = {"/good": content, "/page": b"<html>log in first</html>"}[self.path], 0
            if asked and state.ranges:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            stop = len(body) if state.break_after is None else start + state.break_after
            self.wfile.write(body[start:stop])

        def send_without_end(self, *, tells_size: bool) -> None:
            self.send_response(206 if self.headers["Range"] else 200)
            if self.headers["Range"]:
                self.send_header("Content-Range", f"bytes {state.kept}-{ENDLESS}/{ENDLESS + 1 if tells_size else '*'}")
            elif tells_size:
                self.send_header("Content-Length", str(ENDLESS))
            self.end_headers()
            with suppress(ConnectionError):
                while state.sent < ENDLESS:
                    state.sent += self.wfile.write(b"x" * len(content))

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.port = http.server_port
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()
