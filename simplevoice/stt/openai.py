"""Any server that transcribes as OpenAI's does: POST /v1/audio/transcriptions."""

import asyncio
import io
import wave
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from openai import (
    APIConnectionError,
    APIStatusError,
    AsyncOpenAI,
    BadRequestError,
    OpenAIError,
    UnprocessableEntityError,
)
from pydub import AudioSegment

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.engine import EngineHealth, EngineState
from simplevoice.errors import EngineError, TranscriptionError
from simplevoice.stt import Transcriber, Transcript
from simplevoice.types import Language

OPENAI_URL = "https://api.openai.com/v1"

NO_KEY = "none"
"""What a server that wants no key is sent; without one the SDK would look for a key in the environment."""

RETRIES = 1
"""Once more when a kept connection turns out to be closed, or the server is busy for a moment."""


class _Segment(msgspec.Struct):
    """A piece of a verbose answer, as far as it doubts itself."""

    start: float = 0.0
    end: float = 0.0
    avg_logprob: float | None = None
    no_speech_prob: float | None = None


class _Answer(msgspec.Struct):
    """What a server answers; ``segments`` only in verbose_json."""

    text: str
    segments: list[_Segment] | None = None


class OpenAITranscriber(Transcriber):
    """A remote recognizer. Its connections are kept open while conversations last."""

    name = "openai"

    def __init__(self, config: SttConfig, models: ModelsConfig) -> None:
        self._config = config
        self._url = config.base_url or OPENAI_URL
        self._client: AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()
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
        except TimeoutError:
            raise self._failed(f"took longer than {self._config.timeout_seconds:g} s") from None
        except OpenAIError as error:
            raise self._failed(self._describe(error)) from None  # the cause may quote the key
        except msgspec.MsgspecError as error:
            raise self._failed(f"answered with something that is no transcription: {error}") from None
        self._state, self._trouble = "ready", None
        return _transcript(answer, language)

    async def release(self) -> None:
        client, self._client = self._client, None
        if client:
            await client.close()

    async def close(self) -> None:
        await self.release()
        self._state = "stopped"

    def health(self) -> EngineHealth:
        return EngineHealth(
            engine=self.name, state=self._state, model=self._config.model, device=self._host, detail=self._trouble
        )

    @property
    def _host(self) -> str:
        """Where the server is, without a password that its URL may hold."""
        return urlsplit(self._url).netloc.rpartition("@")[2]

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
        client = await self._connect()
        response = await client.audio.transcriptions.with_raw_response.create(
            file=("utterance.wav", wav, "audio/wav"),
            model=self._config.model,
            language=language,
            temperature=0.0,
            response_format=response_format,
        )
        return msgspec.json.decode(response.content, type=_Answer)

    async def _connect(self) -> AsyncOpenAI:
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._make_client)  # reads certificates
            return self._client

    def _make_client(self) -> AsyncOpenAI:
        return AsyncOpenAI(
            api_key=self._config.api_key or NO_KEY,
            base_url=self._url,
            timeout=self._config.timeout_seconds,
            max_retries=RETRIES,
        )

    def _failed(self, problem: str) -> TranscriptionError:
        self._state, self._trouble = "degraded", f"the speech recognizer at {self._host} {problem}"
        return TranscriptionError(self._trouble)

    def _describe(self, error: OpenAIError) -> str:
        """Say what went wrong. What a server says about a key is left out: it may quote it."""
        if isinstance(error, APIConnectionError):
            return f"can't be reached: {error.__cause__ or error}"
        if not isinstance(error, APIStatusError):
            return f"can't be asked: {type(error).__name__}"
        status = error.status_code
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return f"refused the key (status {status})"
        message = " ".join(error.message.split())[:300]
        return f"answered: {message.replace(self._config.api_key or NO_KEY, '***')}"


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
