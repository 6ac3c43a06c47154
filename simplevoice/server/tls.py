"""TLS for those without a proxy in front: modern settings, and a certificate that a reload renews."""

import asyncio
import ssl
from functools import partial
from pathlib import Path

from simplevoice.config import Config
from simplevoice.errors import ConfigError
from simplevoice.server.live import Commit

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption only, as TLS 1.3 has anyway."""


class Tls:
    """The certificate in force. ``context`` is for the listening socket, and hands out the latest one."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self._latest = context
        context.sni_callback = self._hand_out

    @classmethod
    async def load(cls, config: Config) -> "Tls | None":
        """Read certificate and key, None where there are none. Raises ConfigError."""
        context = await _read(config)
        return None if context is None else cls(context)

    async def prepare(self, config: Config) -> Commit:
        """Read certificate and key again; the commit puts them in force for who connects from then on."""
        return partial(self._put_in_force, await _read(config) or self._latest)

    def _put_in_force(self, context: ssl.SSLContext) -> None:
        self._latest = context

    def _hand_out(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._latest


async def _read(config: Config) -> ssl.SSLContext | None:
    cert, key = config.server.tls_cert, config.server.tls_key
    if cert is None or key is None:
        return None
    return await asyncio.to_thread(make_context, Path(cert), Path(key))


def make_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Make a server's context. Blocks. Raises ConfigError that says what is wrong with which file."""
    cert, key = cert.expanduser(), key.expanduser()
    for setting, file in (("server.tls_cert", cert), ("server.tls_key", key)):
        try:
            file.open("rb").close()
        except OSError as error:
            raise ConfigError([f"{setting}: {file} can't be read: {error.strerror}"]) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except _EncryptedError:
        raise ConfigError([f"server.tls_key: {key} is encrypted, which is of no use to a daemon"]) from None
    except ssl.SSLError as error:
        what = "don't belong together" if error.reason == "KEY_VALUES_MISMATCH" else "are no PEM certificate and key"
        raise ConfigError([f"server.tls_cert {cert} and server.tls_key {key} {what}"]) from None
    return context


class _EncryptedError(Exception):
    pass


def _no_password() -> str:
    raise _EncryptedError
