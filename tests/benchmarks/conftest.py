from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.benchmarks import spoken
from tests.benchmarks.places import CPU, Place


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what is spoken away from the user's folder."""
    monkeypatch.setattr(spoken, "CACHE", tmp_path / "speech")
    return spoken.CACHE


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without CUDA, as most are."""
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 0)


@pytest.fixture
def cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """A machine with a CUDA device and the weights of two Whispers; gives the places that there are then."""
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 1)
    monkeypatch.setattr("ctranslate2.get_supported_compute_types", lambda device: {"float16", "float32"})
    (tmp_path / "whisper-large-v3-turbo").mkdir()
    (tmp_path / "whisper-large-v3-turbo" / "model.bin").touch()
    store = SimpleNamespace(root=tmp_path, present=lambda name: (tmp_path / name).is_dir())
    monkeypatch.setattr("tests.benchmarks.places.ModelStore", lambda _: store)
    return [CPU, Place("cuda", "base"), Place("cuda", "large-v3-turbo")]
