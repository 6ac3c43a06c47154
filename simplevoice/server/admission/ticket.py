"""``POST /ws/simple-voice-chat/ticket``: a token's holder gets a ticket that a web page can spend.

A page of an allowed origin may ask for one itself, so the answers carry what browsers want to see for that (CORS).
"""

import msgspec
import structlog
from aiohttp import hdrs, web

from simplevoice.server.admission.door import RETRY_AFTER, address_of, check_origin, require_token
from simplevoice.server.admission.tickets import LIFETIME_SECONDS
from simplevoice.server.keys import TICKETS

log = structlog.get_logger(__name__)

PREFLIGHT_SECONDS = 600


class IssuedTicket(msgspec.Struct, frozen=True):
    """The answer."""

    ticket: str
    expires_in_seconds: int = LIFETIME_SECONDS


async def issue_ticket(request: web.Request) -> web.Response:
    """Give a ticket to whoever has a token, or raise 401, 403, or 429 when too many are outstanding."""
    headers = _cross_origin(request)
    try:
        token = require_token(request)
    except web.HTTPUnauthorized as refusal:
        refusal.headers.update(headers)
        raise
    ticket = request.app[TICKETS].issue(token)
    if ticket is None:
        log.warning("refused", why="too many tickets", address=address_of(request), client=token and token.name)
        raise web.HTTPTooManyRequests(text="too many tickets are outstanding\n", headers=RETRY_AFTER | headers)
    return web.Response(
        body=msgspec.json.encode(IssuedTicket(ticket)),
        content_type="application/json",
        headers={hdrs.CACHE_CONTROL: "no-store", **headers},
    )


async def allow_ticket(request: web.Request) -> web.Response:
    """Tell a browser that a page of an allowed origin may ask for a ticket, with a token in its header."""
    allowed: dict[str, str] = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: "POST",
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization",
        hdrs.ACCESS_CONTROL_MAX_AGE: str(PREFLIGHT_SECONDS),
    }
    return web.Response(status=204, headers=allowed | _cross_origin(request))


def _cross_origin(request: web.Request) -> dict[str, str]:
    """Make the headers that let the page read the answer. Raises 403 when it may not."""
    origin = check_origin(request)
    headers: dict[str, str] = {hdrs.VARY: "Origin"}
    if origin is not None:
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    return headers
