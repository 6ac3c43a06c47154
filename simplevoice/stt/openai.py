"""Any server that transcribes as OpenAI's does: POST /v1/audio/transcriptions."""

import asyncio
import io
import wave
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from openai import BadRequestError, UnprocessableEntityError
from pydub import AudioSegment

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.engines.engine import EngineHealth, EngineState
from simplevoice.engines.remote import FAILURES, Server, explain, retry_in
from simplevoice.errors import EngineError, TranscriptionError
from simplevoice.stt import Transcriber, Transcript
from simplevoice.types import Language

MOST_CHARACTERS = 20_000
"""More than anybody says in the longest utterance that can be allowed, ten minutes."""


class _Segment(msgspec.Struct):
    """A piece of a verbose answer, as far as it doubts itself."""

    start: float = 0.0
    end: float = 0.0
    avg_logprob: float | None = None
    no_speech_prob: float | None = None


class _Answer(msgspec.Struct):
    """What a server answers; ``segments`` only in verbose_json."""

    text: Annotated[str, Meta(max_length=MOST_CHARACTERS)]
    segments: list[_Segment] | None = None


class OpenAITranscriber(Transcriber):
    """A remote recognizer. Its connections are kept open while conversations last."""

    name = "openai"

    def __init__(self, config: SttConfig, models: ModelsConfig) -> None:
        self._config = config
        self._server = Server(config.base_url, config.api_key, config.timeout_seconds)
        self._verbose = True
        self._state: EngineState = "stopped"
        self._trouble: str | None = None

    async def load(self) -> None:
        if not (self._config.base_url or self._config.api_key):
            raise EngineError("the recognizer openai needs the base URL of a server, or a key")
        self._state = "ready"

    async def transcribe(self, audio: AudioSegment, language: Language) -> Transcript:
        if self._state == "stopped":
            raise TranscriptionError("the recognizer openai is not loaded")
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                answer = await self._ask(_as_wav(audio), language)
        except FAILURES as error:
            self._state = "degraded"
            self._trouble = f"the speech recognizer at {self._server.host} {explain(error, 'stt')}"
            raise TranscriptionError(self._trouble, retry_in=retry_in(error)) from None  # the cause may quote the key
        self._state, self._trouble = "ready", None
        return _transcript(answer, language)

    async def release(self) -> None:
        await self._server.release()

    async def close(self) -> None:
        await self._server.release()
        self._state = "stopped"

    def health(self) -> EngineHealth:
        return EngineHealth(
            engine=self.name,
            state=self._state,
            model=self._config.model,
            device=self._server.host,
            detail=self._trouble,
        )

    async def _ask(self, wav: bytes, language: Language) -> _Answer:
        """Ask for the verbose answer, and for the plain one from then on if the server has no other."""
        if self._verbose:
            try:
                return await self._post(wav, language, "verbose_json")
            except (BadRequestError, UnprocessableEntityError):
                answer = await self._post(wav, language, "json")
                self._verbose = False
                return answer
        return await self._post(wav, language, "json")

    async def _post(self, wav: bytes, language: Language, response_format: Literal["verbose_json", "json"]) -> _Answer:
        client = await self._server.client()
        response = await client.audio.transcriptions.with_raw_response.create(
            file=("utterance.wav", wav, "audio/wav"),
            model=self._config.model,
            language=language,
            temperature=0.0,
            response_format=response_format,
        )
        return msgspec.json.decode(response.content, type=_Answer)


def _as_wav(audio: AudioSegment) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(audio.channels)
        file.setsampwidth(audio.sample_width)
        file.setframerate(audio.frame_rate)
        file.writeframes(audio.raw_data)
    return data.getvalue()


def _transcript(answer: _Answer, language: Language) -> Transcript:
    """Average the doubt over the segments, by their length."""
    segments = answer.segments or []
    silences = [s.no_speech_prob for s in segments if s.no_speech_prob is not None]
    sure = [(s.avg_logprob, max(s.end - s.start, 0.01)) for s in segments if s.avg_logprob is not None]
    return Transcript(
        text=answer.text.strip(),
        language=language,
        no_speech_probability=min(silences, default=None),
        average_log_probability=sum(p * t for p, t in sure) / sum(t for _, t in sure) if sure else None,
    )
