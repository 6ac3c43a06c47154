"""What lets pages of other origins read an answer (CORS): those that are allowed all of it, others why they are not."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import hdrs, web

from simplevoice.server.admission.door import check_origin

PREFLIGHT_SECONDS = 600
ANY = "*"


@contextmanager
def readable(request: web.Request) -> Iterator[dict[str, str]]:
    """Give the headers with which the page that asks can read the answer; refusals get them, too.

    Raises 403 for a page of an origin that is not allowed. That it can read: it holds nothing but this news, which a
    browser would show as a server that can't be reached.
    """
    headers: dict[str, str] = {hdrs.VARY: "Origin", hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: hdrs.RETRY_AFTER}
    try:
        origin = check_origin(request)
    except web.HTTPForbidden as refusal:
        refusal.headers.update({**headers, hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: ANY})
        raise
    if origin is not None:
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    try:
        yield headers
    except web.HTTPError as refusal:
        refusal.headers.update(headers)
        raise


async def preflight(request: web.Request) -> web.Response:
    """Let a browser ask, with a token in its header. Whether the page may is decided then."""
    allowed: dict[str, str] = {
        hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: ANY,
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: "POST",
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type",
        hdrs.ACCESS_CONTROL_MAX_AGE: str(PREFLIGHT_SECONDS),
    }
    return web.Response(status=204, headers=allowed)
