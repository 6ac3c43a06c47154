"""Whisper in this process, by faster-whisper and CTranslate2, on a GPU or on the CPU.

CTranslate2 is driven directly, one pass of encoder and decoder a window: WhisperModel.transcribe always pads to 30 s,
seeks by timestamps and tries again at rising temperatures, all of which costs seconds in a conversation.
"""

import asyncio
import ctypes
import importlib.util
import math
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import ctranslate2
import msgspec
import numpy as np
import structlog
from faster_whisper import WhisperModel, download_model
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from pydub import AudioSegment

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.engine import EngineHealth, EngineState, shut_down
from simplevoice.errors import EngineError, SimpleVoiceError, TranscriptionError, WeightsUnavailableError
from simplevoice.models.catalog import CATALOG
from simplevoice.models.store import ModelStore
from simplevoice.stt import Transcriber, Transcript
from simplevoice.stt.judge import ends_twice, is_loop, verdict
from simplevoice.stt.window import FLOOR_SECONDS, FULL_SECONDS, Samples, fit, split_at_pauses, window_seconds
from simplevoice.types import INPUT_SAMPLE_RATE, Language

log = structlog.get_logger(__name__)

CPU_WORKERS, CUDA_WORKERS = 1, 4
"""Transcriptions at once. On the CPU one already takes all the threads it gets."""

MOST_THREADS = 4
"""As many as CTranslate2 takes by itself; the language model and the voice work beside it."""

TOKENS_PER_SECOND, TOKENS_BESIDES = 12, 12
"""What speech can need at most: fast Arabic has about 10 tokens a second. A decoder that is lost goes on for ever."""

MOST_TOKENS = 224
"""Whisper's own bound of a window, half of its decoder's positions (openai/whisper, decoding.py)."""

TIMED_SECONDS = FLOOR_SECONDS
"""Longer speech is decoded with timestamps: it takes more time, and drops far fewer words."""

DOUBTED = -0.8
"""Below this average log probability the quick pass is not believed. Words that are right are seldom below."""

HOPELESS = 0.6
"""Above this no-speech probability a quick pass that got lost is not repeated: noise, and seconds of work."""

CLOSE_SECONDS = 30.0
"""What still runs so long after the last call hangs: a step takes a few seconds at most."""

BEAM = 5
"""Of the thorough pass: it helps with single Arabic words, and takes up to twice the time."""


class _Hearing(msgspec.Struct, frozen=True):
    """What one pass heard in one window."""

    text: str
    tokens: int
    """Of the text alone."""
    log_probability: float
    """Of the whole sequence, a token of text and its end: timestamps, which are nearly sure, don't dilute it."""
    no_speech_probability: float
    complete: bool
    """Whether the decoder came to an end by itself."""

    @property
    def lost(self) -> bool:
        return not self.complete or is_loop(self.text)

    @property
    def hopeless(self) -> bool:
        return self.lost and self.no_speech_probability > HOPELESS

    @property
    def doubtful(self) -> bool:
        return self.lost or self.log_probability < DOUBTED or ends_twice(self.text)


class _Recognizer:
    """The loaded model. Blocking; any number of threads."""

    def __init__(self, model: WhisperModel, *, thorough: bool) -> None:
        self._model = model.model
        self._tokenizer = model.hf_tokenizer
        self._features = FeatureExtractor(feature_size=self._model.n_mels)
        self._thorough = thorough

    def transcribe(self, samples: Samples, language: Language, abandoned: threading.Event) -> Transcript:
        """Transcribe an utterance of any length. Raises TranscriptionError when ``abandoned`` is set meanwhile."""
        if language == "ar" and not self._model.is_multilingual:
            raise TranscriptionError("this Whisper model knows only English")
        heard = [self._hear(piece, language, abandoned) for piece in split_at_pauses(samples)]
        return _join(heard, language)

    def unload(self) -> None:
        """Free the weights."""
        self._model.unload_model()

    def _hear(self, samples: Samples, language: Language, abandoned: threading.Event) -> _Hearing:
        """Hear quickly, and thoroughly what is doubtful; where that takes no time, thoroughly at once."""
        if self._thorough:
            return self._decode(samples, FULL_SECONDS, BEAM, language, abandoned)
        hearing = self._decode(samples, window_seconds(len(samples) / INPUT_SAMPLE_RATE), 1, language, abandoned)
        if hearing.hopeless or not hearing.doubtful:
            return hearing
        again = self._decode(samples, FULL_SECONDS, BEAM, language, abandoned)
        return hearing if again.lost and not hearing.lost else again

    def _decode(
        self, samples: Samples, window: float, beam: int, language: Language, abandoned: threading.Event
    ) -> _Hearing:
        """Encode one window, of a length in seconds, and decode it."""
        tokenizer = Tokenizer(self._tokenizer, self._model.is_multilingual, task="transcribe", language=language)
        seconds = len(samples) / INPUT_SAMPLE_RATE
        prompt = (
            tokenizer.sot_sequence if seconds > TIMED_SECONDS else [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        )
        bound = min(MOST_TOKENS, TOKENS_BESIDES + math.ceil(seconds * TOKENS_PER_SECOND))
        mel = self._features(fit(samples, window), padding=0)
        _go_on_unless(abandoned)
        encoded = self._model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mel[np.newaxis])))
        _go_on_unless(abandoned)
        [result] = self._model.generate(
            encoded,
            [prompt],
            beam_size=beam,
            max_length=2 * bound,  # CTranslate2 generates at most half of it
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = result.sequences_ids[0]
        of_text = sum(token < tokenizer.eot for token in tokens)
        return _Hearing(
            text=tokenizer.decode(tokens).strip(),
            tokens=of_text,
            log_probability=result.scores[0] * len(tokens) / (of_text + 1),
            no_speech_probability=result.no_speech_prob,
            complete=len(tokens) < bound,
        )


def _go_on_unless(abandoned: threading.Event) -> None:
    if abandoned.is_set():
        raise TranscriptionError("the transcription was abandoned")


def _join(heard: list[_Hearing], language: Language) -> Transcript:
    """Put the windows of an utterance together, without those in which nobody spoke."""
    spoken = [h for h in heard if verdict(_transcript([h], language)) != "no_speech"]
    return _transcript(spoken or heard, language)


def _transcript(heard: list[_Hearing], language: Language) -> Transcript:
    tokens = sum(h.tokens + 1 for h in heard)
    return Transcript(
        text=" ".join(h.text for h in heard if h.text),
        language=language,
        no_speech_probability=min(h.no_speech_probability for h in heard),
        average_log_probability=min(0.0, sum(h.log_probability * (h.tokens + 1) for h in heard) / tokens),
    )


class WhisperTranscriber(Transcriber):
    """Whisper, shared by all connections; calls wait their turn in its threads.

    CTranslate2 can't stop an encoder or a decoder that is running. A cancelled call leaves at once; what it left is
    never begun, or ends at the next step, so that the next call waits for one step at most.
    """

    name = "whisper"

    def __init__(self, config: SttConfig, models: ModelsConfig) -> None:
        self._config = config
        self._models = models
        self._loading = asyncio.Lock()
        self._loaded: _Loaded | None = None
        self._trouble: str | None = None
        self._asked = 0
        """Calls that await their transcript."""

    async def load(self) -> None:
        async with self._loading:
            if self._loaded:
                return
            try:
                self._loaded = await asyncio.to_thread(_load, self._config, self._models)
            except SimpleVoiceError as error:
                self._trouble = str(error)
                raise
            self._trouble = None

    async def warm_up(self) -> None:
        """Hear a second of silence, in a short and in the full window."""
        await self.transcribe(AudioSegment.silent(1000, frame_rate=INPUT_SAMPLE_RATE), "en")

    async def transcribe(self, audio: AudioSegment, language: Language) -> Transcript:
        if self._loaded is None:
            raise TranscriptionError("whisper is not loaded")
        samples = np.frombuffer(audio.raw_data, dtype="<i2").astype(np.float32) / np.float32(32768)
        abandoned = threading.Event()
        self._asked += 1
        job = asyncio.get_running_loop().run_in_executor(
            self._loaded.threads, self._loaded.recognizer.transcribe, samples, language, abandoned
        )
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                transcript = await job
        except TimeoutError:
            raise TranscriptionError(f"whisper took longer than {self._config.timeout_seconds:g} s") from None
        except (RuntimeError, ValueError) as error:  # what CTranslate2 raises, such as for want of GPU memory
            self._trouble = f"whisper failed: {error}"
            raise TranscriptionError(self._trouble, broken=True) from error
        finally:
            self._asked -= 1
            abandoned.set()
        self._trouble = None
        return transcript

    async def close(self) -> None:
        async with self._loading:
            loaded, self._loaded = self._loaded, None
            if loaded:
                await asyncio.to_thread(_unload, loaded)

    @property
    def workers(self) -> Sequence[Executor]:
        return () if self._loaded is None else (self._loaded.threads,)

    def health(self) -> EngineHealth:
        return EngineHealth(
            engine=self.name,
            state=self._state(),
            model=self._config.model,
            device=self._loaded.device if self._loaded else None,
            detail=self._trouble or (self._loaded.note if self._loaded else None),
            waiting=max(0, self._asked - self._loaded.workers) if self._loaded else 0,
        )

    def _state(self) -> EngineState:
        if self._loaded:
            return "degraded" if self._trouble else "ready"
        if self._loading.locked():
            return "loading"
        return "failed" if self._trouble else "stopped"


class _Loaded(msgspec.Struct, frozen=True):
    """What there is between load and close. ``note``: why not the GPU that was seen."""

    recognizer: _Recognizer
    threads: ThreadPoolExecutor
    workers: int
    device: str
    note: str | None


def _load(config: SttConfig, models: ModelsConfig) -> _Loaded:
    """Find the weights and the device, and load. Blocks. Raises EngineError or ModelError."""
    folder = _find_weights(config.model, models)
    gpus = ctranslate2.get_cuda_device_count()
    if config.device == "cuda" and not gpus:
        raise EngineError("whisper is set to run on CUDA, but no GPU is seen; is its driver installed?")
    if config.device == "cpu" or not gpus:
        return _load_on("cpu", folder, config)
    try:
        return _load_on("cuda", folder, config)
    except EngineError as error:
        if config.device == "cuda":
            raise
        log.warning("whisper_gpu_unusable", problem=str(error))
        return _load_on("cpu", folder, config, note=str(error))


def _load_on(device: str, folder: Path, config: SttConfig, note: str | None = None) -> _Loaded:
    on_gpu = device == "cuda"
    compute_type = config.compute_type
    if compute_type == "auto":
        compute_type = "float16" if on_gpu else "int8"
    workers = CUDA_WORKERS if on_gpu else CPU_WORKERS
    try:
        if on_gpu:
            _open_cuda_wheels()
        model = WhisperModel(
            str(folder),
            device=device,
            compute_type=compute_type,
            cpu_threads=config.threads or min(MOST_THREADS, os.cpu_count() or 1),
            num_workers=workers,
        )
        recognizer = _Recognizer(model, thorough=on_gpu)
        if on_gpu:  # CTranslate2 opens the CUDA libraries no sooner than it needs them
            recognizer.transcribe(np.zeros(INPUT_SAMPLE_RATE, dtype=np.float32), "en", threading.Event())
    except (RuntimeError, ValueError, OSError) as error:
        raise EngineError(f"whisper can't run on {device} with {compute_type}: {error}") from error
    return _Loaded(recognizer, ThreadPoolExecutor(workers, "whisper"), workers, f"{device} {compute_type}", note)


def _unload(loaded: _Loaded) -> None:
    """Wait for what is running, and give the memory back to the system; glibc alone would keep it. Blocks."""
    if not shut_down(loaded.threads, CLOSE_SECONDS):
        log.error("whisper_hangs", effect="its memory is not given back")
        return
    loaded.recognizer.unload()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def _open_cuda_wheels() -> None:
    """Open the libraries of the ``cuda`` extra, if they are there: CTranslate2 looks for them by name only."""
    spec = importlib.util.find_spec("nvidia.cublas") if importlib.util.find_spec("nvidia") else None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for library in ("libcublasLt.so.12", "libcublas.so.12"):
            if (path := Path(folder) / "lib" / library).exists():
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def _find_weights(model: str, models: ModelsConfig) -> Path:
    """Return the model's folder: the catalogue's, a given one, or one that faster-whisper knows on the hub."""
    store = ModelStore(models)
    if f"whisper-{model}" in CATALOG:
        return store.ensure(f"whisper-{model}")
    folder = Path(model).expanduser()
    if not folder.is_dir():
        try:
            folder = Path(download_model(model, cache_dir=str(store.root / ".hub"), local_files_only=models.offline))
        except Exception as error:  # the hub's client lets its transport's own exceptions through
            raise WeightsUnavailableError(
                f"Whisper model {model} can't be had: {' '.join(str(error).split())}"
            ) from error
    for name in ("model.bin", "tokenizer.json"):
        if not (folder / name).is_file():
            raise WeightsUnavailableError(f"{folder} has no {name}: it is no model of faster-whisper")
    return folder
