"""A conversation in which every message is used, recorded for docs/protocol.md.

``make examples``, or ``python -m tests.integration.examples``. Of each message the page shows the one with the most
fields, those inside of others too, and of its sound the first bytes.
"""

import asyncio
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import UNSET

from simplevoice.config.sources import load
from simplevoice.models.store import ModelStore
from simplevoice.protocol import (
    AudioEnd,
    AudioMessage,
    AudioStart,
    ErrorMessage,
    GoingAway,
    Guidance,
    Interrupt,
    Ping,
    Pong,
    ResetConversation,
    SessionUpdate,
    TextMessage,
    VoiceResponse,
)
from tests.integration.daemon import Client, Daemon
from tests.media import DATA, media_recorder_chunks, recording, wav

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
WIDTH = 120
SOUND = ("audio_data", "audio_base64")
SHOWN = 32
"""Characters of base64: whole bytes."""


async def say_everything(client: Client) -> None:
    """Use every message, and be refused once."""
    await client.ask(Ping(), Pong)
    await client.say(SessionUpdate(language="en", voice_type="male", rate="+10%", voice=None, instructions="Be brief."))
    question = (DATA / "en-LJ042-0094.wav").read_bytes()
    await client.ask(AudioMessage(audio_data=question, format="wav", language="en"), VoiceResponse)
    await client.ask(AudioMessage(audio_data=wav(bytes(96_000)), format="wav"), Guidance)
    await client.say(AudioStart(format="pcm16", sample_rate=22_050, channels=1))
    await client.say(recording("en-LJ042-0094.wav").raw_data)
    await client.ask(AudioEnd(), VoiceResponse)
    await client.say(ResetConversation())
    refusal = await client.ask(AudioMessage(audio_data=b"neither sound nor music", format="mp3"), ErrorMessage)
    assert refusal.details is not UNSET


async def talk_live(client: Client) -> None:
    """Interrupt a reply, then speak as a browser's recorder does; in ``server_vad``."""
    answer = await client.ask(TextMessage(text="Tell me a very long story about a dragon."), VoiceResponse)
    await client.say(Interrupt(turn_id=answer.turn_id, played_ms=900))
    for piece in media_recorder_chunks(recording("en-LJ042-0094.wav") + recording("noise-washing-machine.wav")):
        await client.say(piece)
    await client.next(VoiceResponse, 2)


async def record(daemon: Daemon) -> tuple[list[str], list[str]]:
    """Converse until the daemon has stopped; gives what the clients and what the daemon said."""
    parts: list[Client] = []
    async with daemon.connect(connection_id="kitchen", response_mode="stream") as client:
        await say_everything(client)
        parts.append(client)
    async with daemon.connect(connection_id="hall", turn_detection="server_vad") as live:
        await talk_live(live)
        stopping = asyncio.create_task(asyncio.to_thread(daemon.stop))
        await live.next(GoingAway)
        parts.append(live)
    assert await stopping == 0
    return [text for part in parts for text in part.wire_out], [text for part in parts for text in part.wire_in]


def examples(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Choose of each type the message with the most fields, the first of those, and cut its sound."""
    chosen: dict[str, dict[str, Any]] = {}
    for message in map(json.loads, texts):
        if _fields(message) > _fields(chosen.get(message["type"])):
            chosen[message["type"]] = message
    for message in chosen.values():
        message.update({name: message[name][:SHOWN] for name in SOUND if name in message})
    return chosen


def _fields(value: Any) -> int:
    return sum(1 + _fields(item) for item in value.values()) if isinstance(value, dict) else 0


def layout(value: Any, indent: int = 0) -> str:
    """Write JSON in lines that fit the page."""
    plain = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict) or indent + len(plain) <= WIDTH:
        return plain
    lines = [""]
    for name, item in value.items():
        last = name == [*value][-1]
        part = f"{json.dumps(name)}: {layout(item, indent + 1)}" + ("}" if last else ",")
        if indent + 1 + len(lines[-1]) + 1 + len(part.splitlines()[0]) > WIDTH or "\n" in part:
            lines.append(part)
        else:
            lines[-1] = f"{lines[-1]} {part}".strip()
    return "{" + ("\n" + " " * (indent + 1)).join(filter(None, lines))


def put_on_page(name: str, messages: dict[str, dict[str, Any]], page: Path = PAGE) -> None:
    """Replace the examples of one direction."""
    block = "\n".join(layout(message) for message in messages.values())
    begin, end = f"<!-- examples: {name} -->", f"<!-- /examples: {name} -->"
    text, count = re.subn(
        f"{begin}.*{end}", lambda _: f"{begin}\n```json\n{block}\n```\n{end}", page.read_text("utf-8"), flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{page.name} has no place for the examples of the {name}")
    page.write_text(text, "utf-8")


async def main() -> None:
    """Record a conversation and write it down."""
    daemon = Daemon(
        ModelStore(load().config.models), ("--tts-engine=espeak", "--llm-threads=1", "--llm-timeout-seconds=15"), {}
    )
    try:
        await asyncio.to_thread(daemon.wait_for, "warmed_up")
        from_clients, from_daemon = await record(daemon)
    except BaseException:
        daemon.stop()
        raise
    put_on_page("client", examples(from_clients))
    put_on_page("server", examples(from_daemon))


if __name__ == "__main__":
    asyncio.run(main())
