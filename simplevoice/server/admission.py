"""Who may come in: tokens, origins and capacity."""

import hmac
from urllib.parse import urlsplit

from aiohttp import web

from simplevoice.config import ServerConfig
from simplevoice.server.keys import LIFECYCLE, LIVE, REGISTRY

RETRY_AFTER_SECONDS = "5"


def admit(request: web.Request) -> None:
    """Let a request for a conversation through, or raise the HTTP error that refuses it."""
    server = request.app[LIVE].config.server
    if not is_authorized(request, server):
        raise web.HTTPUnauthorized(text="a valid token is needed\n", headers={"WWW-Authenticate": "Bearer"})
    if not is_allowed_origin(request, server):
        raise web.HTTPForbidden(text="this origin may not connect\n")
    phase = request.app[LIFECYCLE].phase
    if phase != "running":
        raise web.HTTPServiceUnavailable(text=f"{phase}\n", headers={"Retry-After": RETRY_AFTER_SECONDS})
    registry = request.app[REGISTRY]
    # Whoever takes over a connection of its own needs no further place.
    if registry.full and request.query.get("connection_id") not in registry:
        raise web.HTTPServiceUnavailable(text="at capacity\n", headers={"Retry-After": RETRY_AFTER_SECONDS})


def is_authorized(request: web.Request, server: ServerConfig) -> bool:
    """Whether the request carries a valid token: ``Authorization: Bearer``, or ``?token=`` for browsers."""
    if not server.tokens:
        return True
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    token = credentials.strip() if scheme.lower() == "bearer" else request.query.get("token", "")
    return any(hmac.compare_digest(token.encode(), known.encode()) for known in server.tokens)


def is_allowed_origin(request: web.Request, server: ServerConfig) -> bool:
    """Whether a web page may connect: from this server itself, or from a configured origin.

    Browsers put no same-origin policy on WebSockets, so without this any page could talk to a daemon on localhost.
    What is not a browser sends no Origin.
    """
    origin = request.headers.get("Origin")
    if origin is None or "*" in server.allowed_origins or origin in server.allowed_origins:
        return True
    return urlsplit(origin).netloc == request.host
