import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from simplevoice.config import Config
from simplevoice.errors import ConfigError
from simplevoice.server.tls import Tls, make_context
from tests.fakes.client import with_changes


class Files:
    """Certificate and key of an authority's own."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.renew()

    def renew(self) -> int:
        """Write new ones; gives the serial number."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        self.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())
        return x509.load_pem_x509_certificate(self.cert.read_bytes()).serial_number

    @property
    def config(self) -> Config:
        return with_changes(Config(), "server", tls_cert=str(self.cert), tls_key=str(self.key))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@asynccontextmanager
async def server(context: ssl.SSLContext) -> AsyncIterator[Callable[..., Awaitable[ssl.SSLObject]]]:
    """Serve; gives what connects and hangs up."""
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]

    async def connect(client: ssl.SSLContext, name: str = "localhost") -> ssl.SSLObject:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        writer.close()
        return found

    yield connect
    listening.close()


def client(files: Files) -> ssl.SSLContext:
    context = ssl.create_default_context()
    files.authority.configure_trust(context)
    return context


def serial(connection: ssl.SSLObject) -> int:
    certificate = connection.getpeercert()
    assert certificate is not None
    return int(str(certificate["serialNumber"]), 16)


async def test_clients_get_a_modern_connection(files: Files) -> None:
    tls = await Tls.load(files.config)
    assert tls is not None
    async with server(tls.context) as connect:
        assert (await connect(client(files))).version() == "TLSv1.3"
        older = client(files)
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        cipher = (await connect(older)).cipher()
        assert cipher is not None
        assert cipher[0].startswith("ECDHE")
        assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]


async def test_nothing_weaker_is_spoken(files: Files) -> None:
    tls = await Tls.load(files.config)
    assert tls is not None
    weak = client(files)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE+AES128+SHA256:AES128-GCM-SHA256:@SECLEVEL=0")
    async with server(tls.context) as connect:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await connect(weak)
    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_a_renewed_certificate_is_handed_out_after_the_reload(files: Files, name: str) -> None:
    tls = await Tls.load(files.config)
    assert tls is not None
    async with server(tls.context) as connect:
        first = serial(await connect(client(files), name))
        second = files.renew()
        commit = await tls.prepare(files.config)
        assert serial(await connect(client(files), name)) == first != second
        commit()
        assert serial(await connect(client(files), name)) == second


async def test_a_broken_renewal_is_refused_and_the_old_one_stays(files: Files) -> None:
    tls = await Tls.load(files.config)
    assert tls is not None
    files.cert.write_text("rubbish")
    with pytest.raises(ConfigError):
        await tls.prepare(files.config)
    async with server(tls.context) as connect:
        await connect(client(files))


async def test_without_a_certificate_there_is_no_tls() -> None:
    assert await Tls.load(Config()) is None


def problem(files: Files) -> str:
    with pytest.raises(ConfigError) as refusal:
        make_context(files.cert, files.key)
    (told,) = refusal.value.problems
    return told.replace(str(files.cert), "CERT").replace(str(files.key), "KEY")


def test_what_is_wrong_is_told(files: Files, tmp_path: Path) -> None:
    cert, key = files.cert.read_bytes(), files.key.read_bytes()
    private = serialization.load_pem_private_key(key, None)
    encrypted = serialization.BestAvailableEncryption(b"password")
    pkcs8 = serialization.PrivateFormat.PKCS8
    files.key.write_bytes(private.private_bytes(serialization.Encoding.PEM, pkcs8, encrypted))
    assert problem(files) == "server.tls_key: KEY is encrypted, which is of no use to a daemon"
    files.renew()
    files.cert.write_bytes(cert)
    assert problem(files) == "server.tls_cert CERT and server.tls_key KEY don't belong together"
    files.key.write_bytes(cert)
    assert problem(files) == "server.tls_cert CERT and server.tls_key KEY are no PEM certificate and key"
    files.key.unlink()
    assert problem(files) == "server.tls_key: KEY can't be read: No such file or directory"
    files.cert = tmp_path / "nowhere"
    assert problem(files) == "server.tls_cert: CERT can't be read: No such file or directory"
