"""Smart Turn's features, and what the model makes of whole and of broken-off speech."""

from pathlib import Path

import numpy as np
import pytest

from simplevoice.config import ModelsConfig
from simplevoice.errors import ModelError
from simplevoice.models.store import ModelStore
from simplevoice.speech.smart_turn import SmartTurnModel, features_of
from tests.media import recording, segment, tone


@pytest.fixture(scope="module")
def model() -> SmartTurnModel:
    return SmartTurnModel(ModelStore(ModelsConfig()).path("smart-turn-v3") / "smart-turn-v3.2-cpu.onnx")


def samples_of(ms: int, hz: float) -> "np.typing.NDArray[np.int16]":
    return np.frombuffer(tone(ms, hz=hz).raw_data, "<i2")


def test_the_gain_does_not_matter() -> None:
    loud = samples_of(8000, 700)
    np.testing.assert_allclose(features_of(loud), features_of((loud // 8 * 2).astype(np.int16)), atol=0.2)


def test_short_speech_is_preceded_by_silence_and_of_long_speech_the_end_counts() -> None:
    short = features_of(samples_of(1000, 500))
    assert short[:, :690].max() < short[:, 710:].max() - 1
    long = np.concatenate([samples_of(5000, 2000), samples_of(8000, 500)])
    np.testing.assert_array_equal(features_of(long), features_of(long[-128_000:]))


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "until_ms", "finished"),
    [
        ("en-LJ042-0094.wav", None, True),
        ("en-LJ006-0114.wav", None, True),
        ("en-LJ001-0012.wav", 2752, False),
        ("en-LJ001-0012.wav", 5536, False),
    ],
)
def test_whole_speech_sounds_finished_and_broken_off_does_not(
    model: SmartTurnModel, name: str, until_ms: int | None, finished: bool
) -> None:
    audio = recording(name).set_frame_rate(16_000)[:until_ms] + segment(np.zeros(3200))
    assert (model.probability(audio) > 0.5) is finished


def test_weights_that_are_none_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        SmartTurnModel(broken)
    with pytest.raises(ModelError, match=r"missing\.onnx"):
        SmartTurnModel(tmp_path / "missing.onnx")
