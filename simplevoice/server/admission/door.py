"""The door: the rules that a request passes before a conversation begins, or a text is spoken, in this order.

- ``Host``: is it a name of this daemon? Else 421. This one holds for every path but those of health.
- ``Origin``: may this web page connect? Else 403.
- Is the daemon running? Else 503.
- Token or ticket: who is it? Else 401.
- Is there a place, in all, for the address and for the token? Else 503 or 429.
"""

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from simplevoice.caller import Caller, Token
from simplevoice.server.admission.addresses import client_address, is_trusted, same_client
from simplevoice.server.admission.credentials import presented_token
from simplevoice.server.admission.origins import is_allowed_host, is_allowed_origin
from simplevoice.server.admission.places import NoPlaceError, Place, Visitor
from simplevoice.server.keys import LIFECYCLE, LIVE, PLACES, TICKETS, TOKENS
from simplevoice.server.opening import default_session

log = structlog.get_logger(__name__)

RETRY_AFTER = {"Retry-After": "5"}
"""Seconds."""
FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO = "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"
OPEN_PATHS = ("/healthz", "/readyz")
"""Whoever looks after the daemon may call it by any name there."""


class Admitted:
    """A client that was let in, and by ``with`` keeps its place until it leaves."""

    __slots__ = ("_client", "_place")

    def __init__(self, client: Caller, place: Place) -> None:
        self._client = client
        self._place = place

    def __enter__(self) -> Caller:
        self._place.__enter__()
        return self._client

    def __exit__(self, *problem: object) -> None:
        self._place.__exit__(*problem)


@web.middleware
async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 421 to a name that isn't this daemon's: a page may have made up the name to get at it (DNS rebinding).

    Where a token is asked for, such a page gets nothing, and every name will do until the operator lists some.
    """
    server = request.app[LIVE].config.server
    if not request.path.endswith(OPEN_PATHS) and (server.allowed_hosts or not request.app[TOKENS].required):
        allowed = (*server.allowed_hosts, server.host)
        if not all(is_allowed_host(host, allowed) for host in _hosts(request)):
            log.info("refused", why="host", address=address_of(request))
            raise web.HTTPMisdirectedRequest(text="this daemon has another name; see server.allowed_hosts\n")
    return await handler(request)


def admit(request: web.Request) -> Admitted:
    """Let a client in, or raise the error that refuses it."""
    check_origin(request)
    check_running(request)
    client = Caller(_require(request, token_of(request) or _ticket_of(request)), address_of(request))
    connection_id = request.query.get("connection_id", "")
    visitor = Visitor(client.name, connection_id, request.query.get("session_id", default_session(connection_id)))
    try:
        place = request.app[PLACES].take(visitor, same_client(client.address), request.app[LIVE].config.limits)
    except NoPlaceError as error:
        log.info("refused", why=f"{error.scope} full", address=client.address, client=client.name)
        refusal = web.HTTPServiceUnavailable if error.scope == "server" else web.HTTPTooManyRequests
        raise refusal(text=f"{error}\n", headers=RETRY_AFTER) from None
    return Admitted(client, place)


def check_running(request: web.Request) -> None:
    """Answer 503, with the phase as text, while no conversation can begin."""
    phase = request.app[LIFECYCLE].phase
    if phase != "running":
        raise web.HTTPServiceUnavailable(text=f"{phase}\n", headers=RETRY_AFTER)


def check_origin(request: web.Request) -> str | None:
    """Give the origin of the page that asks, None where it is no page; or raise 403.

    What is not a browser sends no Origin, and could send any.
    """
    origins = request.headers.getall(hdrs.ORIGIN, [])
    if not origins:
        return None
    allowed = request.app[LIVE].config.server.allowed_origins
    if len(origins) > 1 or not is_allowed_origin(
        origins[0], _hosts(request), secure=_is_secure(request), allowed=allowed
    ):
        log.info("refused", why="origin", address=address_of(request))
        raise web.HTTPForbidden(text="this origin may not connect\n")
    return origins[0]


def is_authorized(request: web.Request) -> bool:
    """Whether a request may see what is not for everybody: it presents a valid token, or none is asked for."""
    return request.app[TOKENS].welcomes(token_of(request))


def require_token(request: web.Request) -> Token | None:
    """Give the token that a request presents, None where none is asked for; or raise 401."""
    return _require(request, token_of(request))


def token_of(request: web.Request) -> Token | None:
    """Find the valid token that a request presents."""
    text = presented_token(request, allow_query=request.app[LIVE].config.server.allow_query_token)
    return None if text is None else request.app[TOKENS].find(text)


def address_of(request: web.Request) -> str:
    """Tell the address of the client, behind trusted proxies the one that they tell."""
    forwarded = request.headers.getall(FORWARDED_FOR, ())
    return client_address(request.remote, forwarded, _trusted(request))


def _ticket_of(request: web.Request) -> Token | None:
    ticket = request.query.get("ticket")
    return request.app[TICKETS].redeem(ticket) if ticket else None


def _require(request: web.Request, token: Token | None) -> Token | None:
    if request.app[TOKENS].welcomes(token):
        return token
    log.info("refused", why="token", address=address_of(request))
    raise web.HTTPUnauthorized(text="a valid token is needed\n", headers={"WWW-Authenticate": "Bearer"})


def _hosts(request: web.Request) -> list[str]:
    """List the names by which the daemon was asked for; a request without one asks for none."""
    hosts = request.headers.getall(hdrs.HOST, [""])
    return [*hosts, *_forwarded(request, FORWARDED_HOST)]


def _is_secure(request: web.Request) -> bool:
    """Whether the client is known to have come over TLS, to this daemon or to a trusted proxy."""
    return request.secure or "https" in _forwarded(request, FORWARDED_PROTO)


def _trusted(request: web.Request) -> tuple[str, ...]:
    return request.app[LIVE].config.server.trusted_proxies


def _forwarded(request: web.Request, header: str) -> list[str]:
    """Read what a trusted proxy added last to a header that only such a one may set."""
    peer = client_address(request.remote, (), ())
    values = request.headers.getall(header, ())
    if not values or not is_trusted(peer, _trusted(request)):
        return []
    return [values[-1].rpartition(",")[2].strip().lower()]
