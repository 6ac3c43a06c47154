"""Whole utterances in, spoken answers out, with the real engines over a real socket: words, not just success."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import jsonschema
import msgspec
import pytest
from msgspec import UNSET

from simplevoice.client import speak
from simplevoice.llm.echo import REPLIES
from simplevoice.models.store import ModelStore
from simplevoice.protocol import (
    AudioMessage,
    Guidance,
    Ping,
    Pong,
    ResetConversation,
    TextMessage,
    VoiceResponse,
)
from simplevoice.types import AudioFormat, Language
from tests.edge import EdgeEmulator, Fault
from tests.integration.daemon import Daemon
from tests.integration.examples import say_everything, talk_live
from tests.integration.listener import SAID, UNDERSTOOD, Listener, decode_reply, share_of_words, words
from tests.media import DATA, wav

pytestmark = [pytest.mark.models, pytest.mark.timeout(90)]

T = TypeVar("T")

OTHER_ARABIC_ANSWERS = (
    "ما هي عاصمة فرنسا يا صديقي.",
    "أنا بخير شكرا لك كثيرا.",
    "اليوم الطقس جميل في المدينة الكبيرة.",
)


def utterance(name: str, language: Language) -> AudioMessage:
    return AudioMessage(audio_data=(DATA / f"{name}.wav").read_bytes(), format="wav", language=language)


def sound_of(answer: VoiceResponse) -> bytes:
    assert answer.audio_base64 is not UNSET
    return answer.audio_base64


async def test_english_words_come_back_with_an_answer_that_can_be_understood(
    daemon: Daemon, listener: Listener
) -> None:
    async with daemon.connect(voice_type="male") as client:
        answer = await client.ask(utterance("en-LJ011-0202", "en"), VoiceResponse)
    assert words(answer.transcription) == words(SAID["en-LJ011-0202"])
    assert answer.response_text not in ("", REPLIES["en"].format(heard=answer.transcription))
    assert (answer.tts_engine, answer.message_count, answer.language, answer.voice_type) == ("espeak", 1, "en", "male")
    heard = listener.hear(decode_reply(sound_of(answer), "mp3"), "en")
    assert share_of_words(answer.response_text, heard) >= UNDERSTOOD, (answer.response_text, heard)


async def test_talk_prints_the_words_and_the_answer_and_saves_its_speech(daemon: Daemon, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simplevoice", "talk", "--url", daemon.url, "--language", "en"]
    command += ["--file", str(DATA / "en-LJ011-0202.wav"), "--save", str(tmp_path)]
    program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await program.communicate()
    assert program.returncode == 0
    told = dict(re.findall(r"^(\w+): (.*)$", out.decode(), re.MULTILINE))
    assert words(told["heard"]) == words(SAID["en-LJ011-0202"])
    assert words(told["reply"])
    assert len(decode_reply((tmp_path / "reply-1.mp3").read_bytes(), "mp3")) > 500


@pytest.mark.parametrize("voice_type", ["female", "male"])
async def test_arabic_words_come_back_with_an_arabic_answer(
    daemon: Daemon, listener: Listener, voice_type: str
) -> None:
    async with daemon.connect(language="ar", voice_type=voice_type) as client:
        answer = await client.ask(utterance("ar-digits-357029", "ar"), VoiceResponse)
    assert len(set(words(answer.transcription)) & set(words(SAID["ar-digits-357029"]))) >= 4
    assert answer.language == "ar"
    assert not re.search(r"[A-Za-z]", answer.response_text)
    # espeak's Arabic is too much for a free recognition by Whisper base; among several answers it knows the right one.
    answers = [answer.response_text, *(REPLIES["ar"].format(heard=other) for other in OTHER_ARABIC_ANSWERS)]
    spoken = decode_reply(sound_of(answer), "mp3")
    assert listener.likeliest(spoken, answers, "ar") == answer.response_text


@pytest.mark.parametrize("transport", ["base64", "binary"])
@pytest.mark.parametrize("mode", ["complete", "stream"])
@pytest.mark.parametrize("audio_format", ["mp3", "wav", "pcm16", "opus"])
async def test_every_format_decodes_to_the_announced_duration(
    daemon: Daemon, audio_format: AudioFormat, mode: str, transport: str
) -> None:
    query = {"audio_format": audio_format, "response_mode": mode, "audio_transport": transport}
    async with daemon.connect(**query) as client:
        answer = await client.ask(TextMessage(text="What is the capital of France?"), VoiceResponse)
        assert "Paris" in answer.response_text
        assert (answer.audio_base64 is UNSET) == (mode == "stream")
        data = client.sound(answer.turn_id) if mode == "stream" else sound_of(answer)
    spoken = decode_reply(data, audio_format)
    assert (answer.audio_format, answer.sample_rate) == (audio_format, 24_000)
    assert len(spoken) == pytest.approx(answer.duration_ms, rel=0.1)
    assert len(spoken) > 1000
    assert spoken.dBFS > -35


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("sound", ["washing machine", "silence"])
async def test_without_speech_there_is_guidance(daemon: Daemon, sound: str, language: Language) -> None:
    data = (DATA / "noise-washing-machine.wav").read_bytes() if sound == "washing machine" else wav(bytes(96_000))
    async with daemon.connect(language=language) as client:
        guidance = await client.ask(AudioMessage(audio_data=data, format="wav"), Guidance)
        assert (guidance.reason, guidance.transcription, guidance.success) == ("no_speech", "", False)
        arabic = bool(re.search(r"[\u0600-\u06ff]", guidance.guidance))
        assert arabic == (language == "ar")
        assert client.all(VoiceResponse) == []


async def test_a_conversation_outlives_its_connection(daemon: Daemon) -> None:
    async with daemon.connect(connection_id="before", session_id="capitals") as client:
        for country in ("France", "Italy"):
            await client.ask(TextMessage(text=f"What is the capital of {country}?"), VoiceResponse)
    async with daemon.connect(connection_id="after", session_id="capitals") as client:
        third = await client.ask(TextMessage(text="And of Spain?"), VoiceResponse)
        assert "Madrid" in third.response_text, "what was asked before says what is meant"
        assert third.session_id == "capitals"
        await client.say(ResetConversation())
        assert "Madrid" not in (await client.ask(TextMessage(text="And of Spain?"), VoiceResponse)).response_text


async def test_a_ping_is_answered_during_a_turn(daemon: Daemon) -> None:
    async with daemon.connect() as client:
        await client.say(utterance("en-LJ001-0012", "en"))
        await client.ask(Ping(), Pong)
        assert client.all(VoiceResponse) == []
        await client.next(VoiceResponse)


async def test_edge_speaks_and_espeak_when_edge_fails(weights: ModelStore, tmp_path: Path) -> None:
    question = TextMessage(text="What is the capital of France?")
    options = ("--tts-local=espeak", "--tts-breaker-failures=1")
    async with (
        EdgeEmulator() as edge,
        in_a_thread(Daemon.running(weights, *options, environment=edge.environment(tmp_path))) as daemon,
        daemon.connect() as client,
    ):
        answer = await client.ask(question, VoiceResponse)
        assert answer.tts_engine == "edge"
        assert words(" ".join(spoken.text for spoken in edge.spoken)) == words(answer.response_text)
        assert len(decode_reply(sound_of(answer), "mp3")) == pytest.approx(answer.duration_ms, rel=0.1)
        edge.fault = Fault.UNAVAILABLE
        assert (await client.ask(question, VoiceResponse)).tts_engine == "espeak"
        assert len(decode_reply(await speak("So is this.", daemon.url, language="en"), "mp3")) > 300
        health = (await daemon.status())["service_health"]["tts"]
        assert (health["engine"], health["active"], health["breaker"]) == ("edge", "espeak", "open")


@asynccontextmanager
async def in_a_thread(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a context that blocks, while this loop goes on."""
    entered = await asyncio.to_thread(context.__enter__)
    try:
        yield entered
    finally:
        await asyncio.to_thread(context.__exit__, *sys.exc_info())


@pytest.mark.parametrize("mode", ["complete", "stream"])
async def test_a_recorded_conversation_is_what_the_schema_says(daemon: Daemon, mode: str) -> None:
    async with daemon.connect(response_mode=mode, turn_detection="none") as client:
        await say_everything(client)
    async with daemon.connect(response_mode=mode, turn_detection="server_vad") as streaming:
        await talk_live(streaming)
    schema = await daemon.get("schema")
    _only_what_is_listed(schema["$defs"].values())
    assert _check(client.wire_out + streaming.wire_out, schema, "client") == {
        *("audio_message", "audio_start", "audio_end", "text_message"),
        *("interrupt", "session_update", "reset_conversation", "ping"),
    }
    streamed = {"transcription", "response_text", "audio_chunk"} if mode == "stream" else set()
    assert _check(client.wire_in + streaming.wire_in, schema, "server") == streamed | {
        *("connection_established", "processing_started", "voice_response", "guidance", "error", "pong", "interrupted"),
        *("speech_start", "speech_end", "vad_update", "turn_processing_started"),
    }


def _only_what_is_listed(definitions: Iterable[dict[str, Any]]) -> None:
    """Newer daemons may say more than a client knows; this one says nothing that its schema does not list."""
    for definition in definitions:
        if "properties" in definition:
            definition["additionalProperties"] = False


def _check(texts: list[str], schema: Mapping[str, Any], direction: str) -> set[str]:
    """Hold every message against the schema of its direction; gives the types that were seen."""
    rules = {**schema[direction], "$defs": schema["$defs"]}
    jsonschema.Draft202012Validator.check_schema(rules)
    validator = jsonschema.Draft202012Validator(rules)
    messages = [msgspec.json.decode(text) for text in texts]
    for message in messages:
        validator.validate(message)
    return {message["type"] for message in messages}
