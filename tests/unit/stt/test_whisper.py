"""What Whisper says before it has weights; with them it is tested in tests/integration."""

from pathlib import Path

import ctranslate2
import pytest

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.errors import EngineError, ModelError, TranscriptionError, WeightsUnavailableError
from simplevoice.stt.whisper import WhisperTranscriber
from tests.media import tone

NO_GPU = ctranslate2.get_cuda_device_count() == 0


def whisper(tmp_path: Path, **settings: str) -> WhisperTranscriber:
    """Make an engine whose store is empty and must stay so."""
    models = ModelsConfig(dir=str(tmp_path / "store"), offline=True)
    return WhisperTranscriber(SttConfig(**settings), models)  # type: ignore[arg-type]  # each by its name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder that looks like a model and is none."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"no weights")
    (folder / "config.json").write_text("{}")
    return folder


async def test_an_unloaded_engine_refuses_and_says_so(tmp_path: Path) -> None:
    engine = whisper(tmp_path)
    assert engine.health().state == "stopped"
    with pytest.raises(TranscriptionError, match="not loaded"):
        await engine.transcribe(tone(500), "ar")
    await engine.close()


@pytest.mark.parametrize("model", ["base", "tiny", "no-such-model"])
async def test_weights_that_cannot_be_had_fail_the_load(tmp_path: Path, model: str) -> None:
    engine = whisper(tmp_path, model=model)
    with pytest.raises(WeightsUnavailableError, match=model):
        await engine.load()
    health = engine.health()
    assert health.state == "failed"
    assert health.detail is not None
    assert model in health.detail


@pytest.mark.parametrize("missing", ["model.bin", "config.json"])
async def test_a_folder_without_a_model_is_named(tmp_path: Path, folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=f"{folder} has no {missing}"):
        await whisper(tmp_path, model=str(folder)).load()


async def test_a_broken_model_is_an_engine_error(tmp_path: Path, folder: Path) -> None:
    engine = whisper(tmp_path, model=str(folder), device="cpu")
    with pytest.raises(EngineError, match="whisper can't run on cpu with int8"):
        await engine.load()
    assert engine.health().state == "failed"


@pytest.mark.skipif(not NO_GPU, reason="this machine has a GPU")
async def test_cuda_without_a_gpu_is_never_the_cpu(tmp_path: Path, folder: Path) -> None:
    engine = whisper(tmp_path, model=str(folder), device="cuda")
    with pytest.raises(EngineError, match="no GPU is seen"):
        await engine.load()
    assert engine.health().state == "failed"
