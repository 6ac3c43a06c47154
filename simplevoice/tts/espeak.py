"""espeak-ng in this process: both languages, both voice types, no network, no weights, no program to start.

The C interface is that of speak_lib.h of espeak-ng 1.52 (https://github.com/espeak-ng/espeak-ng).
"""

import asyncio
import ctypes
import os
import re
import textwrap
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing
from functools import cache

import espeakng_loader

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.engines.engine import EngineHealth
from simplevoice.errors import SpeechError
from simplevoice.tts import Speaker, SpeechChunk, Voice, VoiceInfo, pace, speakable
from simplevoice.types import Language, VoiceType

VOICES: dict[tuple[Language, VoiceType], str] = {
    ("ar", "female"): "ar+f3",
    ("ar", "male"): "ar+m3",
    ("en", "female"): "en-us+f5",
    ("en", "male"): "en-us+m3",
}
"""A language of espeak-ng and one of its voice variants."""

OWN_NAME = re.compile(r"(?:ar|en-us|en-gb)\+[fm][1-5]")
"""The names a client may ask for. espeak-ng makes a file name of what follows the plus."""

WORDS_PER_MINUTE = 150
"""Slower than espeak-ng's own 175, and more of it is understood."""

CHUNK_MS = 100
PIECE_CHARACTERS = 1000
"""About a minute of speech: the most that is made ahead of a listener who takes none."""

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: samples come to the callback, in the calling thread
_DONT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT: say what is wrong instead of ending the process
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_RATE = 1  # espeakRATE
_OK = 0  # EE_OK
_GO_ON, _STOP = 0, 1
_DATA_PATH_BYTES = 159
"""espeak-ng keeps its data folder in N_PATH_HOME = 160 bytes, a zero at the end, and cuts off the rest."""

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

_lock = threading.Lock()
"""espeak-ng is global state of the process: one thread at a time, whoever asks."""


class _Library:
    """The one espeak-ng of this process. Every use holds the lock."""

    def __init__(self) -> None:
        data = os.fsencode(espeakng_loader.get_data_path())
        if len(data) > _DATA_PATH_BYTES:
            raise SpeechError(f"espeak-ng can't read a data folder whose path is {len(data)} bytes long: {data!r}")
        try:
            self._espeak = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise SpeechError(f"espeak-ng can't be loaded: {error}") from error
        self._take: Callable[[bytes], bool] = lambda _: False
        self._callback = _Callback(self._on_samples)
        self.sample_rate: int = self._espeak.espeak_Initialize(_SYNCHRONOUS, CHUNK_MS, data, _DONT_EXIT)
        if self.sample_rate <= 0:
            raise SpeechError(f"espeak-ng can't read its data in {data!r}")
        self._espeak.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: str, words_per_minute: int, take: Callable[[bytes], bool]) -> None:
        """Give the samples to ``take``, 100 ms at a time, until it returns False. Raises SpeechError."""
        if self._espeak.espeak_SetVoiceByName(voice.encode()) != _OK:
            raise SpeechError(f"espeak-ng has no voice {voice}")
        self._espeak.espeak_SetParameter(_RATE, words_per_minute, 0)
        data = text.encode() + b"\0"
        self._take = take
        if self._espeak.espeak_Synth(data, len(data), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None) != _OK:
            raise SpeechError("espeak-ng can't speak the text")

    def _on_samples(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if not samples or count == 0:
            return _GO_ON
        return _GO_ON if self._take(ctypes.string_at(samples, count * 2)) else _STOP


@cache
def _load_library() -> _Library:
    return _Library()


class EspeakSpeaker(Speaker):
    """The voice that is always there: about 1000 times faster than speech, and sounding like it."""

    name = "espeak"

    def __init__(self, config: TtsConfig, voices: VoicesConfig, models: ModelsConfig) -> None:
        self._rate = config.rate
        self._thread: ThreadPoolExecutor | None = None
        self._library: _Library | None = None

    async def load(self) -> None:
        if self._thread is None:
            self._library = await asyncio.to_thread(self._load)
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="espeak")

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread:
            await asyncio.to_thread(thread.shutdown)

    @property
    def workers(self) -> Sequence[Executor]:
        return () if self._thread is None else (self._thread,)

    def health(self) -> EngineHealth:
        return EngineHealth(engine=self.name, state="ready" if self._thread else "stopped", device="cpu")

    def supports(self, voice: Voice) -> bool:
        return (voice.language, voice.voice_type) in VOICES

    async def voices(self) -> tuple[VoiceInfo, ...]:
        return tuple(VoiceInfo(language, kind, self.name, name, True) for (language, kind), name in VOICES.items())

    async def synthesize(self, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        name = voice.own_name(OWN_NAME) or VOICES[voice.language, voice.voice_type]
        words_per_minute = round(WORDS_PER_MINUTE * pace(voice.rate or self._rate))
        for piece in textwrap.wrap(speakable(text), PIECE_CHARACTERS):
            async with aclosing(self._speak(piece, name, words_per_minute)) as samples:
                async for data in samples:
                    yield data

    async def _speak(self, text: str, name: str, words_per_minute: int) -> AsyncGenerator[SpeechChunk]:
        """Stream what the thread makes. The thread never waits for the listener: others need it."""
        if self._thread is None or self._library is None:
            raise SpeechError("espeak is not loaded")
        library = self._library
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        unwanted = threading.Event()

        def take(data: bytes) -> bool:
            loop.call_soon_threadsafe(chunks.put_nowait, data)
            return not unwanted.is_set()

        def speak() -> None:
            try:
                with _lock:
                    if not unwanted.is_set():
                        library.speak(text, name, words_per_minute, take)
            finally:
                loop.call_soon_threadsafe(chunks.put_nowait, None)

        job = loop.run_in_executor(self._thread, speak)
        try:
            while (data := await chunks.get()) is not None:
                yield SpeechChunk(data, "pcm16", library.sample_rate, self.name)
            await job
        finally:
            unwanted.set()
            await asyncio.gather(job, return_exceptions=True)

    @staticmethod
    def _load() -> _Library:
        with _lock:
            return _load_library()
