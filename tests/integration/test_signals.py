"""What signals do to the daemon as its users run it: a process of its own, real engines, real sockets."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from simplevoice.config import ModelsConfig
from simplevoice.models.store import ModelStore
from simplevoice.protocol import GoingAway, ProcessingStarted, TextMessage, VoiceResponse
from tests.fakes.language_server import END, LanguageServer, says, text
from tests.integration.daemon import Client, Daemon

pytestmark = [pytest.mark.models, pytest.mark.timeout(120)]

FAST = ("--llm-engine=echo", "--tts-engine=espeak")


class Scene:
    """A daemon in the middle of a turn: its language model says nothing before ``go_on``."""

    def __init__(self, daemon: Daemon, client: Client, go_on: asyncio.Event) -> None:
        self.daemon = daemon
        self.client = client
        self.go_on = go_on
        self.stopped: asyncio.Task[int]

    async def stop(self) -> None:
        """Ask the daemon to stop, and wait until it does."""
        self.stopped = asyncio.create_task(asyncio.to_thread(self.daemon.stop))
        await self.client.next(GoingAway)


@pytest.fixture
async def scene(weights: ModelStore) -> AsyncIterator[Scene]:
    go_on = asyncio.Event()

    async def answer(request: web.Request, response: web.StreamResponse) -> None:
        await go_on.wait()
        await says(text("It is noon."), END)(request, response)

    async with LanguageServer() as server:
        options = (
            "--llm-engine=openai",
            f"--llm-base-url={server.url}",
            "--llm-model=first",
            "--llm-timeout-seconds=60",
        )
        daemon = Daemon(weights, (*options, "--tts-engine=espeak", "--limits-turn-timeout-seconds=60"), {})
        try:
            await asyncio.to_thread(daemon.wait_for, "warmed_up")
            server.answers.append(answer)
            async with daemon.connect() as client:
                await client.say(TextMessage(text="What time is it?"))
                await client.next(ProcessingStarted)
                yield Scene(daemon, client, go_on)
        finally:
            await asyncio.to_thread(daemon.stop)


async def test_a_turn_in_progress_ends_before_the_daemon_does(scene: Scene) -> None:
    await scene.stop()
    scene.go_on.set()
    assert (await scene.client.next(VoiceResponse)).response_text == "It is noon."
    assert await scene.stopped == 0
    assert scene.client.close_code == 1001


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_leaves_at_once(scene: Scene, second: signal.Signals) -> None:
    await scene.stop()
    scene.daemon.signal(second)
    assert await scene.stopped == 128 + second
    assert scene.client.all(VoiceResponse) == []
    assert scene.daemon.log[-1]["event"] == "leaving_at_once"


def test_a_stop_while_weights_are_fetched_ends_the_fetch(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as index:
        index.settimeout(60)
        nowhere = {
            "HF_ENDPOINT": "http://127.0.0.1:9",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": f"http://127.0.0.1:{index.getsockname()[1]}/simple",
        }
        daemon = Daemon(ModelStore(ModelsConfig(dir=str(tmp_path))), (*FAST, "--no-models-offline"), nowhere)
        asked, _ = index.accept()
        with asked:
            assert daemon.stop() == 0  # nothing of it is left, pip neither
    assert daemon.log[-1]["event"] == "stopped"


async def test_a_hangup_changes_settings_and_no_connection(weights: ModelStore, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("")
    daemon = Daemon(weights, (*FAST, f"--config={file}"), {})
    try:
        await asyncio.to_thread(daemon.wait_for, "ready")
        async with daemon.connect() as client:
            file.write_text("[llm]\nmax_tokens = 20\n[limits]\nmax_connections = 0\n")
            daemon.signal(signal.SIGHUP)
            [problem] = (await asyncio.to_thread(daemon.wait_for, "settings_refused"))["problems"]
            assert problem.startswith("limits.max_connections, from")
            file.write_text("[stt]\nthreads = 1\n[llm]\nmax_tokens = 20\n[limits]\nmax_connections = 1\n")
            daemon.signal(signal.SIGHUP)
            changed = (await asyncio.to_thread(daemon.wait_for, "settings_reloaded"))["changed"]
            assert changed == ["limits.max_connections", "llm.max_tokens"]
            assert (await asyncio.to_thread(daemon.wait_for, "restart_needed"))["settings"] == ["stt.threads"]
            await client.ask(TextMessage(text="Are you still there?"), VoiceResponse)
    finally:
        assert await asyncio.to_thread(daemon.stop) == 0
