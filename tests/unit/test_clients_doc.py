"""Every snippet of docs/clients.md, run as it stands there against a real server with fake engines and real ears."""

import asyncio
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp.test_utils import TestServer

from simplevoice.address import chat_url
from simplevoice.config import Config
from simplevoice.engines.ears import open_ears
from simplevoice.server.app import create_app, start_service
from simplevoice.server.pages import PAGES
from simplevoice.service import SimpleVoiceService
from tests.fakes.engines import FakeEngines
from tests.media import recording

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
EXAMPLE, NODE = re.findall(r"```js\n(.*?)```", PAGE.read_text(), re.DOTALL)
CURL, SPEAK, WEBSOCKETS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
DEFAULT = "ws://127.0.0.1:8000"
ENOUGH_MP3, ENOUGH_PCM = 100, 1000


@pytest.fixture
async def daemon() -> AsyncIterator[str]:
    fakes, config = FakeEngines(), Config()
    engines = fakes.transcriber, fakes.model, fakes.speaker
    app = create_app(config, SimpleVoiceService(config.limits, *engines, lambda: open_ears(config)))
    async with TestServer(app) as server:
        await start_service(app)
        yield chat_url(str(server.make_url("/")))


async def run(snippet: str, daemon: str, folder: Path) -> str:
    """Run a snippet of Python in a folder that has a question; gives what it printed."""
    assert DEFAULT in snippet
    recording("en-LJ042-0094.wav").set_frame_rate(16_000).export(folder / "question.wav", format="wav").close()
    return await output_of(sys.executable, "-W", "error", "-c", snippet.replace(DEFAULT, daemon), folder=folder)


def addressed(snippet: str, daemon: str) -> str:
    """Make a snippet that is not of Python ask this daemon."""
    host = DEFAULT.removeprefix("ws://")
    assert host in snippet
    return snippet.replace(host, urlsplit(daemon).netloc)


async def output_of(*command: str, folder: Path) -> str:
    """Run a program, which has to end well and complain of nothing; gives what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, err) == (0, b"")
    return out.decode()


async def test_a_text_is_answered_and_its_speech_saved(daemon: str, tmp_path: Path) -> None:
    assert await run(SNIPPETS[0], daemon, tmp_path)
    assert len((tmp_path / "reply.mp3").read_bytes()) > ENOUGH_MP3


async def test_a_recording_is_answered(daemon: str, tmp_path: Path) -> None:
    assert (await run(SNIPPETS[1], daemon, tmp_path)).startswith("VoiceResponse(")


async def test_a_reply_is_played_while_it_is_made(daemon: str, tmp_path: Path) -> None:
    assert await run(SNIPPETS[2], daemon, tmp_path)
    assert len((tmp_path / "reply.pcm").read_bytes()) > ENOUGH_PCM


@pytest.mark.models
async def test_a_microphone_is_listened_to(daemon: str, tmp_path: Path) -> None:
    heard, reply = (await run(SNIPPETS[3], daemon, tmp_path)).splitlines()
    assert heard
    assert reply


async def test_a_text_is_spoken(daemon: str, tmp_path: Path) -> None:
    await run(SNIPPETS[4], daemon, tmp_path)
    assert len((tmp_path / "train.opus").read_bytes()) > ENOUGH_MP3


@pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed")
async def test_node_gets_an_answer(daemon: str, tmp_path: Path) -> None:
    (tmp_path / "client.mjs").write_text(addressed(NODE, daemon))
    options = "--experimental-websocket", "--no-warnings"
    assert await output_of("node", *options, "client.mjs", folder=tmp_path)
    assert len((tmp_path / "reply.mp3").read_bytes()) > ENOUGH_MP3


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_the_shell_asks_by_http(daemon: str, tmp_path: Path) -> None:
    answer = await output_of("sh", "-e", "-c", addressed(CURL, daemon), folder=tmp_path)
    assert answer.startswith("ready\n")
    assert '"service":"simple_voice_chat"' in answer
    assert '"ticket":' in answer


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_the_shell_gets_a_text_as_speech(daemon: str, tmp_path: Path) -> None:
    await output_of("sh", "-e", "-c", addressed(SPEAK, daemon), folder=tmp_path)
    assert len((tmp_path / "train.mp3").read_bytes()) > ENOUGH_MP3


async def test_the_shell_gets_an_answer(daemon: str, tmp_path: Path) -> None:
    command = addressed(WEBSOCKETS, daemon).replace("python3", shlex.quote(sys.executable))
    process = await asyncio.create_subprocess_exec(
        *("sh", "-e", "-c", command), cwd=tmp_path, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        while b'"voice_response"' not in (line := await process.stdout.readline()):
            assert line, "it ended without an answer"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.stdout.read()
        await process.wait()


def test_the_page_is_the_one_that_is_served() -> None:
    assert PAGES["example.js"].body.decode() == EXAMPLE


def test_each_snippet_has_its_test() -> None:
    assert len(SNIPPETS) == 5
