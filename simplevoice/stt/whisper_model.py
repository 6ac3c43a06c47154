"""Whisper's weights, as faster-whisper has them, at work on a GPU or on the CPU. All of it blocks.

CTranslate2 is driven directly, one pass of encoder and decoder a window: WhisperModel.transcribe always pads to 30 s,
seeks by timestamps and tries again at rising temperatures, all of which costs seconds in a conversation. It also reads
a tokenizer, with the GIL held, which takes as long as all imports of a start that weights can be read beside.
"""

import ctypes
import math
import threading
from collections.abc import Sequence
from pathlib import Path

import ctranslate2
import msgspec
import numpy as np
import structlog
from ctranslate2.models import Whisper, WhisperGenerationResult

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.engines.cores import CORES, recognition_threads
from simplevoice.errors import EngineError, TranscriptionError, WeightsUnavailableError
from simplevoice.models.catalog import CATALOG
from simplevoice.models.store import ModelStore
from simplevoice.speech.mel import HOP_SAMPLES, Floats, log_mel
from simplevoice.stt import cuda
from simplevoice.stt.hearing import Hearing
from simplevoice.stt.tokens import of_text, prompt, text_of
from simplevoice.stt.window import FLOOR_SECONDS, FULL_SECONDS, Samples, fit
from simplevoice.types import INPUT_SAMPLE_RATE, Language

log = structlog.get_logger(__name__)

CPU_WORKERS, CUDA_WORKERS = 1, 2
"""Batches at once. On the CPU one already takes all the threads it gets. A GPU would be idle while spectrograms are
made, did not another batch go on meanwhile; how many are best there was not measured."""

MOST_AT_ONCE = 8
"""Windows in a batch. On a CPU the decoder takes a third of the time for each of eight; more would make all wait."""

TOKENS_PER_SECOND, TOKENS_BESIDES = 12, 12
"""What speech can need at most: fast Arabic has about 10 tokens a second. A decoder that is lost goes on for ever."""

MOST_TOKENS = 224
"""Whisper's own bound of a window, half of its decoder's positions (openai/whisper, decoding.py)."""

TIMED_SECONDS = FLOOR_SECONDS
"""Longer speech is decoded with timestamps: it takes more time, and drops far fewer words."""

FRAMES_BEHIND = 3
"""Frames from the last whole one of the speech to the first that hears nothing of it: they are 25 ms, 10 ms apart."""

SILENCE, RANGE = -1.5, 2.0
"""Of Whisper's spectrograms (openai/whisper, audio.py): the least value, and the most that one is below the loudest."""


class Window(msgspec.Struct, frozen=True):
    """One pass over some speech: in a window of a length in seconds, with a beam."""

    samples: Samples
    seconds: float
    beam: int
    language: Language

    @property
    def speech_seconds(self) -> float:
        """How long the speech in it is."""
        return len(self.samples) / INPUT_SAMPLE_RATE

    @property
    def timed(self) -> bool:
        """Whether it is decoded with timestamps."""
        return self.speech_seconds > TIMED_SECONDS

    @property
    def bound(self) -> int:
        """How many tokens it can need."""
        return min(MOST_TOKENS, TOKENS_BESIDES + math.ceil(self.speech_seconds * TOKENS_PER_SECOND))

    @property
    def kind(self) -> tuple[float, int, bool]:
        """What windows of one batch have in common: their length, their beam and the length of their prompts."""
        return self.seconds, self.beam, self.timed


class Recognizer:
    """The loaded model; any number of threads. ``note``: why not on the GPU that was seen."""

    def __init__(self, model: Whisper, device: str, workers: int) -> None:
        self.device = device
        self.workers = workers
        self.note: str | None = None
        self._model = model

    @property
    def on_gpu(self) -> bool:
        """Where a thorough pass costs so little, as is believed and was not measured, that it is the only one."""
        return bool(self._model.device == "cuda")

    def hear(self, windows: Sequence[Window], abandoned: threading.Event) -> list[Hearing]:
        """Hear windows of one kind. Raises TranscriptionError when ``abandoned`` is set meanwhile."""
        if not self._model.is_multilingual and any(window.language != "en" for window in windows):
            raise TranscriptionError("this Whisper model knows only English")
        encoded = self._encode(windows, abandoned)
        _go_on_unless(abandoned)
        results = self._model.generate(
            encoded,
            [self._prompt(window) for window in windows],
            beam_size=windows[0].beam,
            max_length=2 * max(window.bound for window in windows),  # CTranslate2 generates at most half of it
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [read_result(*one) for one in zip(windows, results, strict=True)]

    def unload(self) -> None:
        """Free the weights, and give the memory back to the system; glibc alone would keep it."""
        self._model.unload_model()
        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)

    def _encode(self, windows: Sequence[Window], abandoned: threading.Event) -> ctranslate2.StorageView:
        """Encode a batch. On a CPU one by one: the encoder computes as long for each, and memory stays small."""
        if self.on_gpu:
            features = np.stack([self._features_of(window) for window in windows])
            return self._model.encode(ctranslate2.StorageView.from_array(features))
        encoded = []
        for window in windows:
            _go_on_unless(abandoned)
            features = self._features_of(window)[np.newaxis]
            encoded.append(np.array(self._model.encode(ctranslate2.StorageView.from_array(features))))
        return ctranslate2.StorageView.from_array(np.concatenate(encoded))

    def _features_of(self, window: Window) -> Floats:
        """Make the spectrogram of the speech, and of the silence behind it what need not be computed: all is alike."""
        frames = round(window.seconds * INPUT_SAMPLE_RATE) // HOP_SAMPLES
        heard = min(frames, len(window.samples) // HOP_SAMPLES + FRAMES_BEHIND)
        speech = log_mel(fit(window.samples, heard * HOP_SAMPLES / INPUT_SAMPLE_RATE), self._model.n_mels)
        silence = max(SILENCE, speech.max() - RANGE)
        return np.pad(speech, ((0, 0), (0, frames - heard)), constant_values=silence)

    def _prompt(self, window: Window) -> list[str]:
        return prompt(window.language if self._model.is_multilingual else None, timed=window.timed)


def read_result(window: Window, result: WhisperGenerationResult) -> Hearing:
    """Read a result. In a batch the decoder may go on for longer than the window could need: that is cut off."""
    generated = result.sequences[0]
    tokens = generated[: window.bound]
    text = of_text(tokens)
    return Hearing(
        text=text_of(text).strip(),
        tokens=len(text),
        log_probability=result.scores[0] * len(tokens) / (len(text) + 1),
        no_speech_probability=result.no_speech_prob,
        complete=len(generated) < window.bound,
    )


def _go_on_unless(abandoned: threading.Event) -> None:
    if abandoned.is_set():
        raise TranscriptionError("the transcription was abandoned")


def load(config: SttConfig, models: ModelsConfig) -> Recognizer:
    """Find the weights and the device, and load. Raises EngineError or ModelError."""
    folder = _find_weights(config.model, models)
    gpus = cuda.devices()
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
        recognizer = _load_on("cpu", folder, config)
        recognizer.note = str(error)
        return recognizer


def _load_on(device: str, folder: Path, config: SttConfig) -> Recognizer:
    on_gpu = device == "cuda"
    compute_type = config.compute_type
    workers = CUDA_WORKERS if on_gpu else CPU_WORKERS
    try:
        if on_gpu:
            cuda.open_cublas()
        if compute_type == "auto":
            compute_type = cuda.compute_type() if on_gpu else "int8"
        model = Whisper(
            str(folder),
            device=device,
            compute_type=compute_type,
            intra_threads=config.threads or recognition_threads(CORES),
            inter_threads=workers,
        )
        recognizer = Recognizer(model, f"{device} {compute_type}", workers)
        if on_gpu:  # what is too much for its memory, or too new for its driver, fails no sooner
            silence = np.zeros(INPUT_SAMPLE_RATE, dtype=np.float32)
            recognizer.hear([Window(silence, FULL_SECONDS, 1, "en")], threading.Event())
    except (RuntimeError, ValueError, OSError) as error:
        raise EngineError(f"whisper can't run on {device} with {compute_type}: {error}") from error
    return recognizer


def _find_weights(model: str, models: ModelsConfig) -> Path:
    """Return the model's folder: the catalogue's, a given one, or one that faster-whisper knows on the hub."""
    store = ModelStore(models)
    if f"whisper-{model}" in CATALOG:
        return store.ensure(f"whisper-{model}")
    folder = Path(model).expanduser()
    if not folder.is_dir():
        from faster_whisper import download_model  # takes 0.1 s, and only this needs it

        try:
            folder = Path(download_model(model, cache_dir=str(store.root / ".hub"), local_files_only=models.offline))
        except Exception as error:  # the hub's client lets its transport's own exceptions through
            raise WeightsUnavailableError(
                f"Whisper model {model} can't be had: {' '.join(str(error).split())}"
            ) from error
    for name in ("model.bin", "config.json"):
        if not (folder / name).is_file():
            raise WeightsUnavailableError(f"{folder} has no {name}: it is no model of faster-whisper")
    return folder
