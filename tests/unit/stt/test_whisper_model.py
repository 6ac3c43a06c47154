"""What needs no weights; what does stands in tests/integration/test_whisper.py."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.errors import EngineError
from simplevoice.stt import whisper_model
from simplevoice.stt.whisper_model import (
    CUDA_WORKERS,
    MOST_TOKENS,
    TIMED_SECONDS,
    Recognizer,
    Window,
    load,
    read_result,
)
from simplevoice.stt.window import fit
from simplevoice.types import INPUT_SAMPLE_RATE, Language


def window(seconds: float, length: float = 9.0, beam: int = 1, language: Language = "en") -> Window:
    return Window(np.zeros(round(seconds * INPUT_SAMPLE_RATE), np.float32), length, beam, language)


def test_windows_of_a_kind_can_share_a_batch_whatever_their_language() -> None:
    assert window(1).kind == window(5, language="ar").kind
    for other in (window(1, length=10.5), window(1, beam=5), window(TIMED_SECONDS + 1)):
        assert other.kind != window(1).kind


@pytest.mark.parametrize(("seconds", "bound"), [(0, 12), (1, 24), (1.01, 25), (60, MOST_TOKENS)])
def test_the_longer_the_speech_the_more_tokens(seconds: float, bound: int) -> None:
    assert window(seconds).bound == bound


class _Result(NamedTuple):
    sequences: list[list[str]]
    scores: list[float]
    no_speech_prob: float


def read(tokens: list[str], score: float = -0.1) -> Any:
    return read_result(window(0), _Result([tokens], [score], 0.25))


def test_timestamps_are_no_text_and_do_not_make_it_surer() -> None:
    heard = read(["<|0.00|>", "Ġ7", "Ġ8", "<|1.00|>"], score=-0.6)
    assert (heard.text, heard.tokens, heard.no_speech_probability, heard.complete) == ("7 8", 2, 0.25, True)
    assert heard.log_probability == pytest.approx(-0.6 * 4 / 3)


@pytest.mark.parametrize("count", [12, 30])
def test_what_a_decoder_said_beyond_the_bound_is_cut_off(count: int) -> None:
    heard = read(["5"] * count)
    assert heard.tokens == 12
    assert not heard.complete


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("loudness", [0.0, 1e-6, 0.3])
@pytest.mark.parametrize("count", [1, 160, 161, 16_123, 143_900, 144_000, 150_000])
def test_a_spectrogram_is_that_of_the_whole_window(bands: int, loudness: float, count: int) -> None:
    samples = np.random.default_rng(count).uniform(-loudness, loudness, count).astype(np.float32)
    model: Any = SimpleNamespace(n_mels=bands)
    features = Recognizer(model, "cpu", 1)._features_of(Window(samples, 9.0, 1, "en"))
    whole = FeatureExtractor(feature_size=bands)(fit(samples, 9.0), padding=0)
    assert features.flags.c_contiguous
    assert features.dtype == np.float32
    assert features.shape == (bands, 900)
    np.testing.assert_allclose(features, whole, atol=1e-5)


class FakeGpu:
    """A machine with a GPU: which models were loaded, and what becomes of the first window heard there."""

    def __init__(self) -> None:
        self.loaded: list[dict[str, Any]] = []
        self.trouble: Exception | None = None

    def load(self, _folder: str, **settings: Any) -> Any:
        self.loaded.append(settings)
        return SimpleNamespace(device=settings["device"])

    def hear(self, recognizer: Recognizer, windows: Sequence[Window], _abandoned: object) -> None:
        assert recognizer.on_gpu
        assert [len(w.samples) for w in windows] == [INPUT_SAMPLE_RATE]
        if self.trouble:
            raise self.trouble


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    fake = FakeGpu()
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 1)
    monkeypatch.setattr("ctranslate2.get_supported_compute_types", lambda device: {"float16", "float32"})
    monkeypatch.setattr("simplevoice.stt.cuda.open_cublas", lambda: None)
    monkeypatch.setattr(whisper_model, "Whisper", fake.load)
    monkeypatch.setattr(Recognizer, "hear", lambda *given: fake.hear(*given))
    return fake


@pytest.fixture
def weights(tmp_path: Path) -> str:
    for name in ("model.bin", "config.json"):
        (tmp_path / name).touch()
    return str(tmp_path)


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_gpu_is_used_where_there_is_one(gpu: FakeGpu, weights: str, device: Any) -> None:
    recognizer = load(SttConfig(model=weights, device=device), ModelsConfig())
    assert (recognizer.device, recognizer.workers, recognizer.note) == ("cuda float16", CUDA_WORKERS, None)
    [settings] = gpu.loaded
    assert (settings["device"], settings["compute_type"], settings["inter_threads"]) == (
        "cuda",
        "float16",
        CUDA_WORKERS,
    )


def test_the_arithmetic_and_the_processor_can_be_chosen(gpu: FakeGpu, weights: str) -> None:
    assert load(SttConfig(model=weights, compute_type="int8_float16"), ModelsConfig()).device == "cuda int8_float16"
    assert load(SttConfig(model=weights, device="cpu"), ModelsConfig()).device == "cpu int8"
    assert [settings["device"] for settings in gpu.loaded] == ["cuda", "cpu"]


@pytest.mark.parametrize(
    "trouble", [RuntimeError("CUDA failed with error out of memory"), ValueError("no efficient float16")]
)
def test_a_gpu_that_fails_the_first_window_is_told_and_left_alone(
    gpu: FakeGpu, weights: str, trouble: Exception
) -> None:
    gpu.trouble = trouble
    recognizer = load(SttConfig(model=weights), ModelsConfig())
    assert recognizer.device == "cpu int8"
    assert recognizer.note == f"whisper can't run on cuda with float16: {trouble}"
    with pytest.raises(EngineError, match=str(trouble)):
        load(SttConfig(model=weights, device="cuda"), ModelsConfig())


def test_a_gpu_without_cublas_is_told_and_left_alone(
    gpu: FakeGpu, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise EngineError("no cuBLAS")

    monkeypatch.setattr("simplevoice.stt.cuda.open_cublas", missing)
    recognizer = load(SttConfig(model=weights), ModelsConfig())
    assert (recognizer.device, recognizer.note) == ("cpu int8", "no cuBLAS")
    assert [settings["device"] for settings in gpu.loaded] == ["cpu"]
