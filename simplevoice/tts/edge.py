"""Edge's voices, through the edge-tts package: the best ones without an account, from an unofficial service.

It fails in known ways, and all become SpeechError: 403 when the clock is off and edge-tts can't set it right, 429 and
503 when it is pressed, no audio for a voice that was withdrawn, silence, a connection that ends in the middle.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.engines.engine import EngineHealth, EngineState
from simplevoice.errors import SpeechBrokenOffError, SpeechError
from simplevoice.importing import ONE_AT_A_TIME
from simplevoice.tts import PROBE_TEXT, Speaker, SpeechChunk, Voice, VoiceInfo, speakable
from simplevoice.tts.progress import SAMPLE_RATE, Progress
from simplevoice.types import LANGUAGES, VOICE_TYPES

if TYPE_CHECKING:
    from simplevoice.tts.edge_requests import Request, Requests

OWN_NAME = re.compile(r"[a-z]{2,3}-[A-Z]{2}-[A-Za-z-]+Neural")


class EdgeProbe(msgspec.Struct, frozen=True):
    """What one short sentence showed: how long its first audio took, and by how much this machine's clock is off.

    ``clock_skew_seconds`` is what Edge's Date header made edge-tts add to the clock; 0 where Edge took the clock as it
    is, which it does when it is right within about five minutes.
    """

    first_audio_ms: float
    clock_skew_seconds: float


class EdgeSpeaker(Speaker):
    """Speaks through Edge. While it is loaded, the connection for the next text is opened before the text is there."""

    name = "edge"

    def __init__(
        self,
        config: TtsConfig,
        voices: VoicesConfig,
        models: ModelsConfig,
        *,
        connect_seconds: float = 5.0,
        receive_seconds: float = 5.0,
    ) -> None:
        """``connect_seconds`` bounds the way to the first message, ``receive_seconds`` each wait for the next."""
        self._config = config
        self._voices = voices
        self._connect_seconds = connect_seconds
        self._receive_seconds = receive_seconds
        self._requests: Requests | None = None
        self._state: EngineState = "stopped"

    async def load(self) -> None:
        await self._open()
        self._state = "ready"

    async def release(self) -> None:
        if self._requests is not None:
            await self._requests.drop()

    async def close(self) -> None:
        self._state = "stopped"
        await self.release()

    def health(self) -> EngineHealth:
        return EngineHealth(engine=self.name, state=self._state)

    def supports(self, voice: Voice) -> bool:
        return True

    def expect(self) -> None:
        if self._state == "ready" and self._requests is not None:
            self._requests.expect()

    async def voices(self) -> tuple[VoiceInfo, ...]:
        """List the configured voices. Whether Edge still has them, only ``probe`` can tell."""
        return tuple(
            VoiceInfo(language, kind, self.name, self._voice_name(Voice(language, kind)), True)
            for language in LANGUAGES
            for kind in VOICE_TYPES
        )

    async def probe(self, voice: Voice) -> EdgeProbe:
        """Speak one word. Raises SpeechError, which says why Edge can't be used."""
        started = time.perf_counter()
        first_audio_ms = 0.0
        async with aclosing(self.synthesize(PROBE_TEXT[voice.language], voice)) as chunks:
            async for _ in chunks:
                first_audio_ms = first_audio_ms or (time.perf_counter() - started) * 1000
        return EdgeProbe(first_audio_ms, (await self._open()).clock_skew_seconds)

    async def synthesize(self, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        """Raise SpeechBrokenOffError, which knows what is left to say, where Edge fails after some audio."""
        progress = Progress(speakable(text))
        request = await self._request(progress.text, voice)
        seconds = self._connect_seconds
        try:
            while (message := await request.next(seconds)) is not None:
                seconds = self._receive_seconds
                if message["type"] != "audio":
                    progress.pronounced(message["text"], message["offset"] + message["duration"])
                elif frames := progress.take(message["data"]):
                    yield SpeechChunk(frames, "mp3", SAMPLE_RATE, self.name)
        except SpeechError as error:
            if progress.samples == 0:
                raise
            raise SpeechBrokenOffError(f"{error}, after {progress.seconds:.1f} s of speech", progress.rest) from error
        finally:
            await request.drop()
        if progress.samples == 0:
            raise SpeechError("Edge sent audio that is no MP3")

    async def _request(self, text: str, voice: Voice) -> "Request":
        name = self._voice_name(voice)
        requests = await self._open()
        request = await requests.begin(text, name, voice.rate or self._config.rate, named=name == voice.name)
        self.expect()
        return request

    async def _open(self) -> "Requests":
        """Import edge-tts, when it is first needed."""
        if self._requests is None:
            make = await asyncio.to_thread(_import_requests)
            self._requests = self._requests or make(self._config.proxy, self._connect_seconds)
        return self._requests

    def _voice_name(self, voice: Voice) -> str:
        name: str = voice.own_name(OWN_NAME) or getattr(self._voices, f"{voice.language}_{voice.voice_type}")
        return name


def _import_requests() -> "type[Requests]":
    with ONE_AT_A_TIME:
        from simplevoice.tts.edge_requests import Requests
    return Requests
