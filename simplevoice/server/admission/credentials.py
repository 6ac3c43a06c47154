"""What a request presents: a token in one of three ways, and the WebSocket subprotocols that it offers."""

from aiohttp import hdrs, web

SUBPROTOCOL = "simplevoice"
CARRIER = "simplevoice.token."
"""A browser can set no header for a WebSocket, but it can offer subprotocols."""


def presented_token(request: web.BaseRequest, *, allow_query: bool) -> str | None:
    """Read the token: the first of ``Authorization: Bearer``, the subprotocol and the query that there is."""
    scheme, _, credentials = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    for protocol in offered_protocols(request):
        if protocol.startswith(CARRIER):
            return protocol.removeprefix(CARRIER)
    return request.query.get("token") if allow_query else None


def offered_protocols(request: web.BaseRequest) -> list[str]:
    """List the subprotocols that a client offers, in its order."""
    offered = ",".join(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, ()))
    return [name for item in offered.split(",") if (name := item.strip())]


def select_protocols(offered: list[str]) -> list[str]:
    """Choose the subprotocol to answer with: a browser that offered some and got none breaks the connection off.

    Only to a client that does not offer ``simplevoice`` is its token said back.
    """
    if SUBPROTOCOL in offered:
        return [SUBPROTOCOL]
    return [name for name in offered if name.startswith(CARRIER)][:1]
