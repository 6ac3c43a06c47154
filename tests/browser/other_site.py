"""A web site that is not the daemon's: its pages lie beside this file, and name the daemon that they talk to."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

HERE = Path(__file__).parent


class OtherSite:
    """A server on a port of its own, under two names that are two origins to a browser."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://localhost:{port}"
        """What the daemon lets in."""
        self.stranger = f"http://127.0.0.1:{port}"
        """What it doesn't."""
        self.pages: dict[str, bytes] = {"/": b"<!doctype html><title>Nothing</title>"}

    def add(self, name: str, **names: str) -> str:
        """Serve a page of this folder in which names in capitals stand for addresses; gives its path."""
        text = (HERE / name).read_text()
        for each, address in names.items():
            text = text.replace(each.upper(), address)
        self.pages[f"/{name}"] = text.encode()
        return f"/{name}"

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["OtherSite"]:
        """Start it."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = site.pages.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            site = cls(server.server_address[1])
            thread = Thread(target=server.serve_forever, name="other site")
            thread.start()
            try:
                yield site
            finally:
                server.shutdown()
                thread.join()
