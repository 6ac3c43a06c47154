"""A Hugging Face hub on a local socket: files with their digests as ETag, byte ranges, and faults."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec


class HubFile(msgspec.Struct):
    """What the hub serves under a path. ``etag`` None announces the true digest."""

    data: bytes
    etag: str | None = None
    large: bool = True

    @property
    def announced(self) -> str:
        if self.etag is not None:
            return self.etag
        if self.large:
            return hashlib.sha256(self.data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()


class FakeHub:
    """``requests`` holds (method, path, Range header) in the order of arrival."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.files: dict[str, HubFile] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        self.stall_after: int | None = None
        self.stalled = threading.Event()
        self.go_on = threading.Event()

    def put(self, repo: str, revision: str, name: str, file: HubFile) -> None:
        self.files[f"/{repo}/resolve/{revision}/{name}"] = file

    def downloads(self) -> list[tuple[str, str | None]]:
        """The GETs of files: the client asks the hub for other things too."""
        return [(path, span) for method, path, span in self.requests if method == "GET" and path in self.files]


@contextmanager
def running_hub() -> Iterator[FakeHub]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            span = self.headers.get("Range")
            hub.requests.append((self.command, self.path, span))
            file = hub.files.get(self.path)
            if file is None:
                self.send_error(404)
                return
            start = int(span.removeprefix("bytes=").partition("-")[0]) if span else 0
            self.send_response(206 if span else 200)
            self.send_header("ETag", f'"{file.announced}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(file.data) - start))
            if span:
                self.send_header("Content-Range", f"bytes {start}-{len(file.data) - 1}/{len(file.data)}")
            self.end_headers()
            if body:
                self._send(file.data[start:])

        def _send(self, data: bytes) -> None:
            if hub.stall_after is not None:
                self.wfile.write(data[: hub.stall_after])
                self.wfile.flush()
                hub.stalled.set()
                hub.go_on.wait(20)
                data = data[hub.stall_after :]
            self.wfile.write(data)

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub = FakeHub(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="fake-hub")
        thread.start()
        try:
            yield hub
        finally:
            hub.go_on.set()
            server.shutdown()
            thread.join()
