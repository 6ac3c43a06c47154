"""A text that is spoken as it stands, without a conversation: a place among the turns, speech, and a report of it."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
import structlog

from simplevoice.config import Config
from simplevoice.engines.lent import Lender
from simplevoice.errors import SimpleVoiceError, SpeechError, TurnTimeoutError
from simplevoice.observation import Observation, Outcome, Progress, TurnReport, outcome_of
from simplevoice.speech.encode import SpeechEncoder
from simplevoice.tts import Speaker, Voice
from simplevoice.turnstile import Place, Turnstile
from simplevoice.types import AudioFormat

log = structlog.get_logger(__name__)

CHUNKS_AHEAD = 256
"""As many as messages wait for the client of a conversation; then the engine does."""
STOP_SECONDS = 2.0
"""Work that still runs so long after it was told to stop is left behind."""


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What to speak, and how."""

    text: str
    voice: Voice
    audio_format: AudioFormat


class Synthesis:
    """One script, spoken once. It works in a task of its own, so that no engine can hold up who waits for it."""

    def __init__(
        self, script: Script, *, lender: Lender, config: Config, turnstile: Turnstile, observation: Observation
    ) -> None:
        self.id = f"speech_{secrets.token_hex(6)}"
        self._script = script
        self._lender = lender
        self._config = config
        self._observation = observation
        self._turnstile = turnstile
        self._asked_at = time.monotonic()
        self._progress = Progress()
        self._encoder = SpeechEncoder(script.audio_format)
        self._chunks: asyncio.Queue[bytes | SimpleVoiceError | None] = asyncio.Queue(CHUNKS_AHEAD)
        self._over = False

    @property
    def duration_ms(self) -> int:
        """How long the speech is that was made by now."""
        return self._encoder.duration_ms

    async def sound(self) -> AsyncGenerator[bytes]:
        """Give the encoded speech as it is made; WAV all at once, as its head tells its length.

        Who asks waits ``limits.turn_timeout_seconds`` for the first speech, its place included, then
        ``limits.next_sound_seconds`` for each next one.
        Raises BusyError, SpeechError or TurnTimeoutError. Closing the iterator stops the work.
        """
        place = self._turnstile.ask()
        work = asyncio.create_task(self._work(place), name=self.id)
        try:
            limits = self._config.limits
            chunk = await self._next(limits.turn_timeout_seconds)
            while chunk is not None:
                if chunk:
                    yield chunk
                chunk = await self._next(limits.next_sound_seconds)
        except SimpleVoiceError as error:
            self._report(outcome_of(error), error.code, str(error))
            raise
        except BaseException:
            self._report("interrupted", "disconnected")
            raise
        else:
            self._report("answered")
        finally:
            place.leave()  # at once, however slow the work is to end
            await self._stop(work)

    async def _next(self, seconds: float) -> bytes | None:
        try:
            async with asyncio.timeout(seconds):
                chunk = await self._chunks.get()
        except TimeoutError:
            raise TurnTimeoutError("the speech took too long") from None
        if isinstance(chunk, SimpleVoiceError):
            raise chunk
        return chunk

    async def _work(self, place: Place) -> None:
        end: SimpleVoiceError | None = None
        try:
            await place.wait()
            self._progress.begun = self._elapsed_ms()
            with self._lender.lend() as engines:
                await self._speak(engines.speaker)
        except SimpleVoiceError as error:
            end = error
        except Exception as error:
            log.exception("speech_crashed", turn_id=self.id)
            end = SimpleVoiceError(type(error).__name__)
        finally:
            place.leave()  # what is made waits for its client without one
        if not self._over:  # else nobody takes it
            await self._chunks.put(end)

    async def _speak(self, speaker: Speaker) -> None:
        async with aclosing(speaker.synthesize(self._script.text, self._script.voice)) as speech:
            async for chunk in speech:
                if self._over:
                    return  # the engine swallowed the cancellation
                if chunk.engine not in self._progress.tts:
                    self._progress.tts += (chunk.engine,)
                await self._put(await self._encoder.encode(chunk.data, chunk.codec, chunk.sample_rate))
        await self._put(await self._encoder.finish())
        if self._encoder.duration_ms <= 0:
            raise SpeechError("the engine gave no speech")

    async def _put(self, data: bytes) -> None:
        if data and self._progress.first_audio is None:
            self._progress.first_audio = self._elapsed_ms()
        await self._chunks.put(data)

    async def _stop(self, work: asyncio.Task[None]) -> None:
        self._over = True
        work.cancel()
        _, running = await asyncio.wait([work], timeout=STOP_SECONDS)
        if running:
            log.error("engine_does_not_stop", turn_id=self.id)

    def _elapsed_ms(self) -> int:
        return round((time.monotonic() - self._asked_at) * 1000)

    def _report(self, outcome: Outcome, reason: str | None = None, problem: str | None = None) -> None:
        text = self._script.text
        self._observation.report(
            TurnReport(
                kind="speech",
                turn_id=self.id,
                language=self._script.voice.language,
                outcome=outcome,
                reason=reason,
                problem=problem,
                ended_at=time.time() - time.monotonic() + self._asked_at,
                times=self._progress.timings(self._elapsed_ms(), None),
                work=self._progress,
                reply_ms=self.duration_ms,
                words=("", text) if self._config.logging.transcripts else None,
            )
        )
