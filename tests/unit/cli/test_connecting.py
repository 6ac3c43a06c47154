"""What the command line adds to why there is no connection."""

import ssl

import pytest
import trustme

from simplevoice.cli.connecting import converse, http_session, with_hint
from simplevoice.cli.target import Target
from simplevoice.errors import ConnectionFailedError
from tests.fakes.daemon import TOKEN, FakeDaemon


async def refusal(daemon: Target) -> str:
    with pytest.raises(ConnectionFailedError) as refused:
        async with converse(daemon):
            pass
    return with_hint(refused.value)


async def test_hints(unused_tcp_port: int) -> None:
    assert (await refusal(Target(f"ws://127.0.0.1:{unused_tcp_port}"))).endswith(
        "refused. Start one with: simplevoice serve"
    )
    with FakeDaemon().running() as daemon:
        assert "speak TLS as it should; try ws:// or another port" in await refusal(
            Target(daemon.url.replace("ws:", "wss:"))
        )
        daemon.token = TOKEN
        wanted = "the daemon wants a valid token: use --token-file or SIMPLEVOICE_CLIENT_TOKEN"
        assert await refusal(Target(daemon.url, "wrong")) == wanted
        async with converse(Target(daemon.url, TOKEN), language="en") as conversation:
            assert conversation.established.config.language == "en"


async def test_a_certificate_that_is_not_trusted() -> None:
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(serving)
    with FakeDaemon(tls=serving).running() as daemon:
        assert (await refusal(Target(daemon.url))).endswith("; see --ca")


async def test_the_http_session_presents_the_token() -> None:
    async with http_session(Target("ws://h", "t")) as session:
        assert session.headers["Authorization"] == "Bearer t"
    async with http_session(Target("ws://h")) as session:
        assert "Authorization" not in session.headers
