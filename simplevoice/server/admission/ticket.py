"""``POST /ws/simple-voice-chat/ticket``: a token's holder gets a ticket that a web page can spend.

A page of an allowed origin may ask for one itself.
"""

import msgspec
import structlog
from aiohttp import hdrs, web

from simplevoice.server.admission.cross_origin import readable
from simplevoice.server.admission.door import RETRY_AFTER, address_of, check_running, require_token
from simplevoice.server.admission.tickets import LIFETIME_SECONDS
from simplevoice.server.keys import TICKETS

log = structlog.get_logger(__name__)


class IssuedTicket(msgspec.Struct, frozen=True):
    """The answer."""

    ticket: str
    expires_in_seconds: int = LIFETIME_SECONDS


async def issue_ticket(request: web.Request) -> web.Response:
    """Give a ticket to whoever has a token, or raise 401, 403, 503, or 429 when too many are outstanding."""
    with readable(request) as headers:
        check_running(request)
        token = require_token(request)
        ticket = request.app[TICKETS].issue(token)
        if ticket is None:
            log.warning("refused", why="too many tickets", address=address_of(request), client=token and token.name)
            raise web.HTTPTooManyRequests(text="too many tickets are outstanding\n", headers=RETRY_AFTER)
        return web.Response(
            body=msgspec.json.encode(IssuedTicket(ticket)),
            content_type="application/json",
            headers={hdrs.CACHE_CONTROL: "no-store", **headers},
        )
