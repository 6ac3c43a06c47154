"""The proxies' settings in docs/proxies: their programs accept them, and a conversation goes through as docs say."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from simplevoice.config import LimitsConfig
from simplevoice.protocol import (
    ConnectionEstablished,
    ProcessingStarted,
    TextMessage,
    VoiceResponse,
    decode_server,
    encode,
)
from tests.unit.server.conftest import Daemon, Start
from tests.unit.server.conftest import daemon as daemon

DOCS = Path(__file__).parents[2] / "docs"
HOST = "voice.example.org"

NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/simplevoice.conf;
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Proxy:
    """One of the two, set to listen on ``port`` with a certificate of ours, before a daemon."""

    def __init__(self, name: str, folder: Path, daemon_port: int) -> None:
        self.port = free_port()
        self._authority = trustme.CA()
        both = folder / "both.pem"
        self._authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(both))
        prepare = self._nginx if name == "nginx" else self._haproxy
        self._check, self._run = prepare(folder, both, daemon_port)

    def _nginx(self, folder: Path, both: Path, daemon_port: int) -> tuple[list[str], list[str]]:
        text = (DOCS / "proxies/nginx.conf").read_text()
        live = f"/etc/letsencrypt/live/{HOST}"
        for name in ("fullchain", "privkey"):
            text = text.replace(f"{live}/{name}.pem", str(both))
        text = text.replace("listen [::]:443 ssl;", "").replace("listen 443", f"listen 127.0.0.1:{self.port}")
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{daemon_port}").replace("/var/log/nginx", str(folder))
        (folder / "simplevoice.conf").write_text(text)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
        run = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        return [*run, "-t"], run

    def _haproxy(self, folder: Path, both: Path, daemon_port: int) -> tuple[list[str], list[str]]:
        text = (DOCS / "proxies/haproxy.cfg").read_text()
        text = text.replace("bind :443", f"bind 127.0.0.1:{self.port}").replace(f"/etc/haproxy/{HOST}.pem", str(both))
        file = folder / "haproxy.cfg"
        file.write_text(text.replace("127.0.0.1:8000", f"127.0.0.1:{daemon_port}"))
        return ["haproxy", "-c", "-f", str(file)], ["haproxy", "-db", "-f", str(file)]

    def accepts_its_settings(self) -> None:
        done = subprocess.run(self._check, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        assert "warn" not in done.stderr.lower(), done.stderr

    @contextmanager
    def running(self) -> Iterator[None]:
        process = subprocess.Popen(self._run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)

    def client(self) -> aiohttp.ClientSession:
        """Make a client that finds the proxy by its name, and that can pass for a page of its origin."""
        trusting = ssl.create_default_context()
        self._authority.configure_trust(trusting)
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting, resolver=_Here()))

    def url(self, path: str) -> str:
        return f"https://{HOST}:{self.port}{path}"


class _Here(aiohttp.abc.AbstractResolver):
    """Finds every name on this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        found = aiohttp.abc.ResolveResult(
            hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0
        )
        return [found]

    async def close(self) -> None:
        """Nothing is open."""


def port_of(service: Daemon) -> int:
    server: Any = service.http.server
    return int(server.port)


def skip_without(name: str) -> None:
    if shutil.which(name) is None and not Path(f"/usr/sbin/{name}").exists():
        pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
async def test_a_conversation_goes_through(
    daemon: Start, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without(name)
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/bin")
    service = await daemon(server_trusted_proxies=("127.0.0.1",), server_allowed_hosts=(HOST,))
    proxy = Proxy(name, tmp_path, port_of(service))
    proxy.accepts_its_settings()
    with proxy.running():
        async with proxy.client() as http:
            await until_it_answers(http, proxy.url("/readyz"))
            async with http.get(proxy.url("/metrics")) as metrics:
                assert metrics.status == 404
            chat = proxy.url("/ws/simple-voice-chat?connection_id=c&language=en")
            async with http.ws_connect(chat, headers={"Origin": f"https://{HOST}:{proxy.port}"}) as line:
                kinds = (ConnectionEstablished, ProcessingStarted, VoiceResponse)
                assert isinstance(decode_server(await line.receive_str()), kinds[0])
                await line.send_str(encode(TextMessage(text="hello")))
                assert isinstance(decode_server(await line.receive_str()), kinds[1])
                assert isinstance(decode_server(await line.receive_str()), kinds[2])


async def until_it_answers(http: aiohttp.ClientSession, url: str) -> None:
    """Wait until the proxy listens and, where it asks, knows that the daemon is ready."""
    while True:
        try:
            async with http.get(url) as response:
                if response.status == 200:
                    return
        except aiohttp.ClientConnectionError:
            continue


def test_they_are_more_patient_than_the_daemon() -> None:
    idle = LimitsConfig().idle_timeout_seconds
    assert "proxy_read_timeout 660s;" in (DOCS / "proxies/nginx.conf").read_text()
    assert "timeout tunnel 660s" in (DOCS / "proxies/haproxy.cfg").read_text()
    assert idle < 660


@pytest.mark.parametrize("file", ["nginx.conf", "haproxy.cfg"])
def test_the_page_shows_the_files_as_they_are(file: str) -> None:
    assert (DOCS / "proxies" / file).read_text() in (DOCS / "operations.md").read_text()
