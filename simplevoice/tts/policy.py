"""Which engine speaks: Edge while it answers in time, else a local one. All that is decided about that is decided here.

- Edge has a deadline for its first audio. When it passes, the local engine starts on the same text; who gives audio
  first speaks, and the other one is closed. When Edge fails before that, the local engine starts at once.
- When Edge breaks off in the middle, the local engine says the rest, from the last word that was heard whole. Another
  voice for half a sentence is heard, but a sentence without its end is worse.
- Every such failure counts; after some in a row a breaker opens and Edge isn't asked, so that a dead network costs no
  time. Probes in the background, never on a user's turn, find out when it is back.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack, aclosing
from functools import partial

import structlog

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.engines.breaker import Breaker
from simplevoice.engines.engine import EngineHealth, EngineState
from simplevoice.engines.guard import Guard
from simplevoice.errors import EngineError, ErrorCode, ModelError, SpeechBrokenOffError, SpeechError
from simplevoice.tts import PROBE_TEXT, Speaker, SpeechChunk, Voice, VoiceInfo, create_engine, speakable
from simplevoice.tts.hedge import Attempt

log = structlog.get_logger(__name__)

LOCAL_SECONDS = 6.0
"""A local engine that has given no audio by then hangs: alone it takes a fraction of a second."""


def create_policy(config: TtsConfig, voices: VoicesConfig, models: ModelsConfig) -> "SpeechPolicy":
    """Make the policy and the engines that the configuration names, unloaded."""
    chosen = config.local if config.engine == "edge" else config.engine
    local = ("espeak",) if chosen == "espeak" else ("piper", "espeak")
    edge = create_engine("edge", config, voices, models) if config.engine == "edge" else None
    return SpeechPolicy(config, edge, [create_engine(name, config, voices, models) for name in local])


class SpeechPolicy(Speaker):
    """The speaker that a conversation uses. ``SpeechChunk.engine`` tells who really spoke."""

    def __init__(
        self,
        config: TtsConfig,
        edge: Speaker | None,
        local: Sequence[Speaker],
        *,
        breaker: Breaker | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``local`` is in order of preference; the first that has the voice speaks, and the last has every voice."""
        self.name = config.engine
        self._config = config
        self._edge = edge
        self._local = local
        breaker = breaker or Breaker(config.breaker_failures, config.breaker_retry_seconds)
        self._guard = Guard("edge", breaker, sleep=sleep)
        self._state: EngineState = "stopped"
        self._spoke_locally: str | None = None

    async def load(self) -> None:
        """Load the engines without which nobody would speak, or not who was asked for; the others can be missing."""
        if self._state == "ready":
            return
        self._state = "loading"
        try:
            for speaker in self._engines():
                if self._needed(speaker):
                    await speaker.load()
        except BaseException:
            self._state = "failed"
            raise
        self._state = "ready"

    async def warm_up(self) -> None:
        """Load the engines that stand by, too: until then the last of them does."""
        for speaker in self._engines():
            if not self._needed(speaker):
                await self._try_to_load(speaker)
            await speaker.warm_up()

    async def release(self) -> None:
        for speaker in self._engines():
            await speaker.release()

    async def close(self) -> None:
        await self._guard.reset()
        for speaker in self._engines():
            await speaker.close()
        self._spoke_locally = None
        self._state = "stopped"

    @property
    def workers(self) -> Sequence[Executor]:
        return [pool for speaker in self._engines() for pool in speaker.workers]

    def health(self) -> EngineHealth:
        """Tell who speaks: Edge while it is asked, else the local engine that spoke last."""
        degraded = self._state == "ready" and self._guard.state != "closed"
        return EngineHealth(
            engine=self._config.engine,
            state="degraded" if degraded else self._state,
            active=self._active,
            breaker=self._guard.state,
            detail=self._guard.failure if degraded else None,
        )

    def supports(self, voice: Voice) -> bool:
        return any(speaker.supports(voice) for speaker in self._engines())

    async def voices(self) -> tuple[VoiceInfo, ...]:
        return tuple([row for speaker in self._engines() for row in await speaker.voices()])

    def expect(self) -> None:
        if self._edge is not None and self._guard.state == "closed":
            self._edge.expect()

    async def synthesize(self, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        text = speakable(text)
        if self._edge is not None and self._guard.state == "closed":
            speech = self._speak_with_edge(self._edge, text, voice)
        else:
            speech = self._speak_locally(text, voice)
        async with aclosing(speech):
            async for chunk in speech:
                yield chunk

    async def _speak_with_edge(self, edge: Speaker, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        async with AsyncExitStack() as attempts:
            remote = Attempt(edge.synthesize(text, voice))
            attempts.push_async_callback(remote.close)
            if not await remote.speaks_within(self._config.first_audio_seconds):
                local = Attempt(self._speak_locally(text, voice))
                attempts.push_async_callback(local.close)
                if not await remote.speaks_before(local):
                    self._edge_failed(remote.failure or SpeechError("Edge gave no audio in time"), edge, voice)
                    await remote.close()
                    async for chunk in local:
                        yield chunk
                    return
                await local.close()
            try:
                async for chunk in remote:
                    yield chunk
            except SpeechError as error:
                self._edge_failed(error, edge, voice)
                if not isinstance(error, SpeechBrokenOffError):
                    raise
                rest = error.rest
            else:
                self._guard.succeed()
                rest = ""
        if rest:
            async with aclosing(self._speak_locally(rest, voice)) as speech:
                async for chunk in speech:
                    yield chunk

    async def _speak_locally(self, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        """Speak with the first local engine that has the voice and works."""
        failures = []
        for speaker in self._local:
            if not speaker.supports(voice):
                continue
            attempt = Attempt(speaker.synthesize(text, voice))
            try:
                if not await attempt.speaks_within(LOCAL_SECONDS):
                    raise attempt.failure or SpeechError(f"no audio within {LOCAL_SECONDS:g} s")
                async for chunk in attempt:
                    self._spoke_locally = speaker.name
                    yield chunk
                return
            except SpeechError as error:
                if attempt.speaks:
                    raise
                failures.append(f"{speaker.name}: {error}")
                log.warning("local_engine_failed", engine=speaker.name, problem=str(error))
            finally:
                await attempt.close()
        raise SpeechError(f"no local engine could speak: {'; '.join(failures)}")

    def _edge_failed(self, error: SpeechError, edge: Speaker, voice: Voice) -> None:
        if error.code is ErrorCode.INVALID_PARAMETER:
            # One client's choice of voice must not take Edge from everybody.
            log.info("edge_refused", problem=str(error))
            return
        self._guard.fail(error, partial(self._probe, edge, voice))

    async def _probe(self, edge: Speaker, voice: Voice) -> None:
        """Say a word with the voice that failed, in time."""
        attempt = Attempt(edge.synthesize(PROBE_TEXT[voice.language], voice))
        try:
            if not await attempt.speaks_within(self._config.first_audio_seconds):
                raise attempt.failure or SpeechError("Edge gave no audio in time")
            async for _ in attempt:
                pass
        finally:
            await attempt.close()

    def _needed(self, speaker: Speaker) -> bool:
        return speaker.name in (self._config.engine, self._config.local) or speaker is self._local[-1]

    async def _try_to_load(self, speaker: Speaker) -> None:
        try:
            await speaker.load()
        except (EngineError, ModelError) as error:
            log.info("local_engine_missing", engine=speaker.name, reason=str(error))

    def _engines(self) -> list[Speaker]:
        return [*([self._edge] if self._edge else []), *self._local]

    @property
    def _active(self) -> str:
        if self._edge is not None and self._guard.state == "closed":
            return self._edge.name
        return self._spoke_locally or next(
            (s.name for s in self._local if s.health().state == "ready"), self._local[-1].name
        )
