"""The built-in web client: some files, read once, under headers that let a browser fetch nothing from elsewhere."""

import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import PurePath

import msgspec
from aiohttp import web

TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
FOR_OTHER_PAGES = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
"""Modules may be imported by any page; whether it may then converse is decided by its Origin."""


class Page(msgspec.Struct, frozen=True):
    """A file of the web client."""

    body: bytes
    content_type: str
    etag: str


def _read(name: str) -> Page:
    body = (files("simplevoice.server") / "web" / name).read_bytes()
    return Page(body, TYPES[PurePath(name).suffix], hashlib.sha256(body).hexdigest()[:16])


PAGES = {
    entry.name: _read(entry.name)
    for entry in (files("simplevoice.server") / "web").iterdir()
    if PurePath(entry.name).suffix in TYPES
}
ADDRESSES = {"": "index.html", "status": "status.html"}
"""Pages that have an address without a suffix."""


async def add_slash(request: web.Request) -> web.Response:
    """Lead to the page; without the slash its files would be looked for elsewhere."""
    raise web.HTTPPermanentRedirect(f"{request.rel_url.path}/")


def _handler(page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
    headers = HEADERS | (FOR_OTHER_PAGES if page.content_type == TYPES[".js"] else {})

    async def handle(request: web.Request) -> web.Response:
        response = web.Response(status=200, headers=headers)
        response.etag = page.etag
        if any(tag.value == page.etag for tag in request.if_none_match or ()):
            response.set_status(304)
            return response
        response.body = page.body
        response.content_type = page.content_type
        response.charset = "utf-8"
        return response

    return handle


ROUTES = tuple(
    web.get(f"/{address}", _handler(PAGES[name]))
    for address, name in ({name: name for name in PAGES} | ADDRESSES).items()
)
