"""How a daemon is reached over HTTP, and what people are told when it is not."""

import ssl
from typing import Any

import aiohttp
import msgspec

from simplevoice.errors import ConnectionFailedError
from simplevoice.protocol import ErrorMessage
from simplevoice.reasons import system_words


def http_session(token: str | None, tls: ssl.SSLContext | None, **options: Any) -> aiohttp.ClientSession:
    """Make the HTTP client that presents the token, and trusts whom it should."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(ssl=tls or True), **options)


def describe_error(error: ErrorMessage) -> str:
    """Say an error of the daemon in one line, with the facts that it gave."""
    details = "" if error.details is msgspec.UNSET else f" {msgspec.json.encode(error.details).decode()}"
    return f"{error.error_code}: {error.message}{details}"


def unreachable(url: str, error: Exception) -> ConnectionFailedError:
    """Say in one line why an HTTP request did not get through. ``error`` is aiohttp's, or TimeoutError."""
    return ConnectionFailedError(
        _why_unreachable(url, error), status=error.status if isinstance(error, aiohttp.ClientResponseError) else None
    )


def _why_unreachable(url: str, error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause):
            return f"the certificate of {url} is not trusted: {getattr(cause, 'verify_message', cause)}"
        case aiohttp.ClientConnectorSSLError():
            return f"{url} does not speak TLS as it should; try ws:// or another port"
        case aiohttp.ClientConnectorError():
            return f"no daemon answers at {url}: {system_words(error)}"
        case aiohttp.ClientResponseError(status=401):
            return "the daemon wants a valid token"
        case aiohttp.ClientResponseError(status=421):
            return f"the daemon does not answer to the name in {url}; its server.allowed_hosts does not list it"
        case aiohttp.ClientResponseError(status=429):
            return "the daemon takes no more connections from this address, or with this token"
        case aiohttp.ClientResponseError(status=404):
            return f"{url} is not a simplevoice daemon, or has another path prefix"
        case aiohttp.ClientResponseError(status=503):
            return "the daemon takes no connection now: it is full, starting or shutting down"
        case aiohttp.ClientResponseError():
            return f"{url} answered {error.status} {error.message}"
        case TimeoutError():
            return f"{url} does not answer"
        case _:
            return f"{url}: {error}"
