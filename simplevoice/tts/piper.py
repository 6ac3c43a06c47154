"""Piper: neural voices on this machine, from the model store. piper-tts is imported when the first voice is opened."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.engines.engine import EngineHealth
from simplevoice.errors import SpeechError
from simplevoice.importing import ONE_AT_A_TIME
from simplevoice.models.store import ModelStore
from simplevoice.tts import Speaker, SpeechChunk, Voice, VoiceInfo, pace, speakable
from simplevoice.tts.urgency import Urgency
from simplevoice.types import Language, VoiceType

if TYPE_CHECKING:
    from simplevoice.tts.piper_voice import PiperVoice

VOICES: dict[tuple[Language, VoiceType], str] = {
    ("ar", "male"): "piper-ar-male",
    ("en", "female"): "piper-en-female",
    ("en", "male"): "piper-en-male",
}
"""Names of the catalogue. It has no female Arabic voice: nobody published one."""

LANGUAGES = {name: language for (language, _), name in VOICES.items()}

PIECES_AT_ONCE = 2


class PiperSpeaker(Speaker):
    """Speaks with the voices that are installed, and only with the type that was asked for.

    A man's voice where a woman's was asked for is a wrong answer, not a lesser one: ``supports`` is then false, and
    whoever asks goes on to an engine that has the right type.
    """

    name = "piper"

    def __init__(self, config: TtsConfig, voices: VoicesConfig, models: ModelsConfig) -> None:
        self._rate = config.rate
        self._store = ModelStore(models)
        self._present: frozenset[str] = frozenset()
        self._opened: dict[str, PiperVoice] = {}
        self._opening = asyncio.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._urgency = Urgency(PIECES_AT_ONCE)

    async def load(self) -> None:
        """Open the installed voices. Raises SpeechError when there is none, or piper-tts isn't installed."""
        if self._threads is not None:
            return
        if not _installed():
            raise SpeechError("piper-tts is not installed: pip install 'simplevoice[piper]'")
        present = await asyncio.to_thread(self._find_present)
        if not present:
            raise SpeechError(f"no piper voice is there: simplevoice models pull {' '.join(VOICES.values())}")
        for name in present:
            await self._open(name)
        self._present = present
        self._threads = ThreadPoolExecutor(PIECES_AT_ONCE, thread_name_prefix="piper")

    async def release(self) -> None:
        """Drop the prepared voices, some 60 MB each. A sentence that is being spoken keeps its own to its end."""
        self._opened.clear()

    async def close(self) -> None:
        await self.release()
        self._present = frozenset()
        threads, self._threads = self._threads, None
        if threads:
            await asyncio.to_thread(threads.shutdown)

    @property
    def workers(self) -> Sequence[Executor]:
        return () if self._threads is None else (self._threads,)

    def health(self) -> EngineHealth:
        return EngineHealth(
            engine=self.name,
            state="ready" if self._threads else "stopped",
            model=", ".join(sorted(self._present)) or None,
            device="cpu",
        )

    def supports(self, voice: Voice) -> bool:
        return VOICES.get((voice.language, voice.voice_type)) in self._present

    async def voices(self) -> tuple[VoiceInfo, ...]:
        present = await asyncio.to_thread(self._find_present) if _installed() else frozenset[str]()
        return tuple(
            VoiceInfo(language, kind, self.name, name, name in present) for (language, kind), name in VOICES.items()
        )

    async def synthesize(self, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        text = speakable(text)
        if self._threads is None or not self.supports(voice):
            raise SpeechError(f"piper has no {voice.voice_type} voice for {voice.language} here")
        threads = self._threads
        opened = await self._open(VOICES[voice.language, voice.voice_type])
        pieces = opened.speak(text, pace(voice.rate or self._rate))
        now = asyncio.get_running_loop().time
        due = now()
        while (data := await self._make(pieces, threads, due)) is not None:
            due = max(due, now()) + len(data) / 2 / opened.sample_rate
            yield SpeechChunk(data, "pcm16", opened.sample_rate, self.name)

    async def _make(self, pieces: Iterator[bytes], threads: ThreadPoolExecutor, due: float) -> bytes | None:
        async with self._urgency.place(due):
            return await _next(pieces, threads)

    async def _open(self, name: str) -> "PiperVoice":
        async with self._opening:
            if name not in self._opened:
                self._opened[name] = await asyncio.to_thread(self._load_voice, name)
            return self._opened[name]

    def _load_voice(self, name: str) -> "PiperVoice":
        with ONE_AT_A_TIME:
            from simplevoice.tts.piper_voice import PiperVoice
        try:
            return PiperVoice(next(self._store.path(name).glob("*.onnx")), LANGUAGES[name])
        except Exception as error:
            raise SpeechError(f"piper can't open {name}: {error}") from error

    def _find_present(self) -> frozenset[str]:
        return frozenset(name for name in VOICES.values() if self._store.present(name))


async def _next(pieces: Iterator[bytes], threads: ThreadPoolExecutor) -> bytes | None:
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, next, pieces, None)
    except Exception as error:
        raise SpeechError(f"piper failed: {error}") from error


def _installed() -> bool:
    return find_spec("piper") is not None
