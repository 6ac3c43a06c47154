"""The Edge speaker and the policy against the service's emulator: the real edge-tts, a real socket, real TLS."""

import asyncio
import os
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from edge_tts.drm import DRM

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.errors import ErrorCode, SpeechBrokenOffError, SpeechError
from simplevoice.tts import SpeechChunk, Voice
from simplevoice.tts.edge import EdgeSpeaker
from simplevoice.tts.espeak import EspeakSpeaker
from simplevoice.tts.policy import SpeechPolicy
from tests.edge import EdgeEmulator, Fault
from tests.edge.sound import FRAME_BYTES
from tests.leftovers import nothing_left

__all__ = ["nothing_left"]

ENGLISH = Voice("en", "female")
ARABIC = Voice("ar", "male")
TEXT = "The uncle claimed her, and the husband resisted."

BEFORE_AUDIO = {
    Fault.FORBIDDEN: r"refused the token \(HTTP 403\), also with the clock set by [+-]\d s",
    Fault.FORBIDDEN_WITHOUT_TIME: "told no time to set the clock by",
    Fault.TOO_MANY_REQUESTS: "busy .HTTP 429",
    Fault.UNAVAILABLE: "busy .HTTP 503",
    Fault.NOT_FOUND: "answered HTTP 404",
    Fault.SILENT_HANDSHAKE: r"gave nothing for 0\.2 s",
    Fault.SLOW_FIRST_BYTE: r"gave nothing for 0\.2 s",
    Fault.NO_AUDIO: "no audio for .*JennyNeural",
    Fault.GARBAGE_TEXT: "does not understand",
    Fault.GARBAGE_BINARY: "does not understand",
    Fault.GARBAGE_AUDIO: "no MP3",
}
IN_THE_MIDDLE = {
    Fault.STALL_IN_THE_MIDDLE: r"gave nothing for 0\.2 s",
    Fault.CLOSE_IN_THE_MIDDLE: "closed the connection in the middle",
    Fault.RESET_IN_THE_MIDDLE: "closed the connection in the middle",
}
WAITS = (Fault.SILENT_HANDSHAKE, Fault.SLOW_FIRST_BYTE, Fault.STALL_IN_THE_MIDDLE)


@pytest.fixture(autouse=True)
def clock_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """edge-tts keeps what it learned of the clock for the whole process."""
    monkeypatch.setattr(DRM, "clock_skew_seconds", 0.0)


@pytest.fixture
async def edge() -> AsyncIterator[EdgeEmulator]:
    async with EdgeEmulator() as service:
        yield service
        async with asyncio.timeout(5):
            await service.unused.wait()


def speaker(edge: EdgeEmulator, *, seconds: float = 10.0, rate: str = "+0%") -> EdgeSpeaker:
    config = TtsConfig(proxy=edge.proxy_url, rate=rate)
    return EdgeSpeaker(config, VoicesConfig(), ModelsConfig(), connect_seconds=seconds, receive_seconds=seconds)


async def speak(engine: EdgeSpeaker | SpeechPolicy, text: str = TEXT, voice: Voice = ENGLISH) -> list[SpeechChunk]:
    return [chunk async for chunk in engine.synthesize(text, voice)]


def decode(chunks: list[SpeechChunk]) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """The samples of MP3 chunks, 24 kHz."""
    with av.open(BytesIO(b"".join(chunk.data for chunk in chunks)), "r", format="mp3") as container:
        stream = container.streams.audio[0]
        assert (stream.sample_rate, stream.channels) == (24_000, 1)
        frames = [frame.to_ndarray()[0] for frame in container.decode(stream)]
    samples = np.concatenate(frames)
    return (samples * 32_767 if samples.dtype.kind == "f" else samples).astype(np.int16)


async def test_the_text_comes_back_as_speech(edge: EdgeEmulator) -> None:
    chunks = await speak(speaker(edge))
    assert {(chunk.codec, chunk.sample_rate, chunk.engine) for chunk in chunks} == {("mp3", 24_000, "edge")}
    assert len(chunks) > 5
    assert all(len(chunk.data) % FRAME_BYTES == 0 for chunk in chunks)
    samples = decode(chunks)
    assert 1.5 < len(samples) / 24_000 < 6
    assert np.sqrt((samples.astype(float) ** 2).mean()) > 500


async def test_the_request_is_what_was_asked_for(edge: EdgeEmulator) -> None:
    text = "خمسة < ستة & \u0007سبعة"
    await speak(speaker(edge, rate="-10%"), text, ARABIC)
    await speak(speaker(edge, rate="-10%"), TEXT, Voice("en", "male", name="en-GB-RyanNeural", rate="+20%"))
    arabic, english = edge.spoken
    assert (arabic.text, arabic.rate) == ("خمسة < ستة & سبعة", "-10%")
    assert arabic.voice.endswith("(ar-SA, HamedNeural)")
    assert (english.text, english.rate) == (TEXT, "+20%")
    assert english.voice.endswith("(en-GB, RyanNeural)")
    assert arabic.output_format == "audio-24khz-48kbitrate-mono-mp3"
    assert all(head.startswith("CONNECT speech.platform.bing.com:443 ") for head in edge.proxy.asked)


async def test_without_a_proxy_the_host_is_asked_itself(edge: EdgeEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp.connector.DefaultResolver", lambda **_: edge.resolver)
    chunks = await speak(EdgeSpeaker(TtsConfig(), VoicesConfig(), ModelsConfig()))
    assert len(decode(chunks)) > 24_000
    assert edge.proxy.asked == []


async def test_a_long_text_in_several_requests_is_spoken_whole(edge: EdgeEmulator) -> None:
    await speak(speaker(edge, rate="+100%"), "سلام " * 500, ARABIC)
    assert len(edge.spoken) == 2
    assert " ".join(spoken.text for spoken in edge.spoken).split() == ["سلام"] * 500


@pytest.mark.parametrize("skew", [-7200, 7200])
async def test_a_wrong_clock_is_set_right_by_edge_tts(skew: float) -> None:
    async with EdgeEmulator(clock=lambda: time.time() + skew) as edge:
        probe = await speaker(edge).probe(ENGLISH)
        assert probe.clock_skew_seconds == pytest.approx(skew, abs=5)
        assert probe.first_audio_ms > 0
        assert len(edge.handshakes) == 2
        await speak(speaker(edge))
        assert len(edge.handshakes) == 3, "once set, it stays right"
        await edge.unused.wait()


@pytest.mark.parametrize(("fault", "message"), BEFORE_AUDIO.items())
async def test_every_fault_before_audio_is_a_speech_error(edge: EdgeEmulator, fault: Fault, message: str) -> None:
    edge.fault = fault
    with pytest.raises(SpeechError, match=message) as failed:
        await speak(speaker(edge, seconds=0.2 if fault in WAITS else 10.0))
    assert not isinstance(failed.value, SpeechBrokenOffError)
    assert failed.value.code is ErrorCode.SPEECH_FAILED
    edge.fault = None
    assert await speak(speaker(edge)), "the next one is good again"


@pytest.mark.parametrize(("fault", "message"), IN_THE_MIDDLE.items())
async def test_every_fault_in_the_middle_tells_the_rest(edge: EdgeEmulator, fault: Fault, message: str) -> None:
    edge.fault = fault
    taken: list[SpeechChunk] = []
    engine = speaker(edge, seconds=10.0)
    if fault in WAITS:
        engine = EdgeSpeaker(TtsConfig(proxy=edge.proxy_url), VoicesConfig(), ModelsConfig(), receive_seconds=0.2)
    with pytest.raises(SpeechBrokenOffError, match=message) as failed:
        await _collect(engine.synthesize(TEXT, ENGLISH), taken)
    assert decode(taken).any()
    assert failed.value.rest == "and the husband resisted."
    assert "husband" not in str(failed.value)


async def _collect(stream: AsyncIterator[SpeechChunk], taken: list[SpeechChunk]) -> None:
    async for chunk in stream:
        taken.append(chunk)  # noqa: PERF401  # what came before the failure must be kept


async def test_a_voice_that_a_client_named_and_edge_has_not_is_the_clients_doing(edge: EdgeEmulator) -> None:
    edge.fault = Fault.NO_AUDIO
    with pytest.raises(SpeechError, match="NobodyNeural") as failed:
        await speak(speaker(edge), voice=Voice("en", "male", name="en-US-NobodyNeural"))
    assert failed.value.code is ErrorCode.INVALID_PARAMETER


async def test_nobody_listens(unused_tcp_port: int) -> None:
    config = TtsConfig(proxy=f"http://user:secret@127.0.0.1:{unused_tcp_port}")
    with pytest.raises(SpeechError, match="can't be reached: Connection refused") as failed:
        await speak(EdgeSpeaker(config, VoicesConfig(), ModelsConfig()))
    assert "secret" not in str(failed.value)


async def test_a_proxy_that_refuses(edge: EdgeEmulator) -> None:
    edge.proxy.answer = "407 Proxy Authentication Required"
    with pytest.raises(SpeechError, match="the proxy before Edge answered HTTP 407"):
        await speak(speaker(edge))


async def test_another_ca_is_not_trusted(edge: EdgeEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_tts.communicate._SSL_CTX", ssl.create_default_context())
    with pytest.raises(SpeechError, match="can't be reached: ClientConnectorCertificateError"):
        await speak(speaker(edge))


@pytest.mark.parametrize("stage", ["connect", "handshake", "first byte", "middle"])
async def test_cancelled_at_every_stage_the_socket_is_closed_at_once(edge: EdgeEmulator, stage: str) -> None:
    if stage == "connect":
        edge.proxy.answer = None
    edge.fault = {
        "handshake": Fault.SILENT_HANDSHAKE,
        "first byte": Fault.SLOW_FIRST_BYTE,
        "middle": Fault.STALL_IN_THE_MIDDLE,
    }.get(stage)
    speaking = asyncio.create_task(speak(speaker(edge)))
    await (edge.proxy.asking if stage == "connect" else edge.hanging).wait()
    async with asyncio.timeout(2):  # edge-tts alone would wait 10 s for an answer to its goodbye
        speaking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await speaking
        await edge.unused.wait()


async def test_closed_between_chunks_the_socket_is_closed_at_once(edge: EdgeEmulator) -> None:
    edge.fault = Fault.STALL_IN_THE_MIDDLE
    async with asyncio.timeout(5):
        async with aclosing(speaker(edge).synthesize(TEXT, ENGLISH)) as stream:
            await anext(stream)
        await edge.unused.wait()


async def test_the_connection_for_the_next_text_is_opened_ahead(edge: EdgeEmulator) -> None:
    engine = speaker(edge)
    await engine.load()
    engine.expect()
    for sentence in (1, 2):
        async with asyncio.timeout(5):
            await edge.proxy.asking.wait()
        edge.proxy.asking.clear()
        assert (len(edge.proxy.asked), len(edge.handshakes)) == (sentence, sentence - 1)
        await speak(engine)
    await engine.close()


async def test_released_it_is_closed_and_the_next_text_opens_its_own(edge: EdgeEmulator) -> None:
    engine = speaker(edge)
    await engine.load()
    await speak(engine)
    async with asyncio.timeout(2):
        await edge.unused.wait()
        await engine.release()
        await edge.proxy.unused.wait()
    assert await speak(engine)
    await engine.close()


async def test_a_connection_that_the_service_closed_meanwhile_costs_nothing_but_time(edge: EdgeEmulator) -> None:
    engine = speaker(edge)
    await engine.load()
    engine.expect()
    async with asyncio.timeout(2):
        await edge.proxy.asking.wait()
        edge.proxy.cut()
        await edge.proxy.unused.wait()
    assert await speak(engine)
    await engine.close()


async def test_who_is_not_loaded_expects_nothing(edge: EdgeEmulator) -> None:
    speaker(edge).expect()
    await speak(speaker(edge))
    assert len(edge.proxy.asked) == 1


async def test_a_program_that_is_started_reaches_it_too(edge: EdgeEmulator, tmp_path: Path) -> None:
    code = """
import asyncio
from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.config.sources import load
from simplevoice.tts import Voice
from simplevoice.tts.edge import EdgeSpeaker
import os

async def main():
    config = TtsConfig(proxy=os.environ["SIMPLEVOICE_TTS_PROXY"])
    speaker = EdgeSpeaker(config, VoicesConfig(), ModelsConfig())
    print(sum([len(chunk.data) async for chunk in speaker.synthesize("hello there", Voice("en", "female"))]))

asyncio.run(main())
"""
    environment = os.environ | edge.environment(tmp_path)
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await program.communicate()
    assert program.returncode == 0, err.decode()
    assert int(out) > 2000
    assert edge.spoken[0].text == "hello there"


@pytest.fixture
async def policy(edge: EdgeEmulator) -> AsyncIterator[SpeechPolicy]:
    """The policy of the default configuration, with espeak as the local engine."""
    config = TtsConfig(proxy=edge.proxy_url, first_audio_seconds=5.0, breaker_failures=2)
    engines = config, VoicesConfig(), ModelsConfig()
    speech = SpeechPolicy(config, EdgeSpeaker(*engines, receive_seconds=0.3), [EspeakSpeaker(*engines)])
    await speech.load()
    yield speech
    await speech.close()


def engines(chunks: list[SpeechChunk]) -> list[str]:
    return list(dict.fromkeys(chunk.engine for chunk in chunks))


async def test_policy_speaks_with_edge(edge: EdgeEmulator, policy: SpeechPolicy) -> None:
    assert engines(await speak(policy)) == ["edge"]
    assert policy.health().active == "edge"


@pytest.mark.parametrize("fault", [fault for fault in BEFORE_AUDIO if fault not in WAITS])
async def test_policy_speaks_with_espeak_on_every_fault(edge: EdgeEmulator, policy: SpeechPolicy, fault: Fault) -> None:
    edge.fault = fault
    assert engines(await speak(policy)) == ["espeak"]


@pytest.mark.parametrize("fault", [Fault.SILENT_HANDSHAKE, Fault.SLOW_FIRST_BYTE])
async def test_policy_does_not_wait_longer_than_the_deadline(edge: EdgeEmulator, fault: Fault) -> None:
    edge.fault = fault
    config = TtsConfig(proxy=edge.proxy_url, first_audio_seconds=0.2)
    of_all = config, VoicesConfig(), ModelsConfig()
    policy = SpeechPolicy(config, EdgeSpeaker(*of_all), [EspeakSpeaker(*of_all)])
    await policy.load()
    async with asyncio.timeout(3):
        assert engines(await speak(policy)) == ["espeak"]
        await edge.unused.wait()
    await policy.close()


@pytest.mark.parametrize("fault", IN_THE_MIDDLE)
async def test_policy_says_the_rest_with_espeak(edge: EdgeEmulator, policy: SpeechPolicy, fault: Fault) -> None:
    edge.fault = fault
    chunks = await speak(policy)
    assert engines(chunks) == ["edge", "espeak"]
    rest = sum(len(chunk.data) for chunk in chunks if chunk.engine == "espeak") / 2 / 22_050
    assert 0.8 < rest < 2.5, "half of the sentence"


async def test_policy_leaves_a_dead_service_alone(edge: EdgeEmulator, policy: SpeechPolicy) -> None:
    edge.fault = Fault.UNAVAILABLE
    for _ in range(4):
        assert engines(await speak(policy)) == ["espeak"]
    assert len(edge.handshakes) == 2
    health = policy.health()
    assert (health.active, health.breaker, health.state) == ("espeak", "open", "degraded")
    assert health.detail == "Edge is busy (HTTP 503)"
