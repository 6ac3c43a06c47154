from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from simplevoice.config import Config
from tests.benchmarks import recognizers, stock_server
from tests.benchmarks.places import CPU, Place, places
from tests.benchmarks.result import Result


def test_without_cuda_its_rows_are_skipped_which_is_no_failure(no_gpu: None) -> None:
    here, skipped = places("a thing")
    assert here == [CPU]
    result = Result(skipped=skipped)
    assert "| a thing, on CUDA | skipped: no CUDA device was found |" in result.table()
    assert result.met


def test_on_cuda_there_are_two_places_more(cuda: list[Place]) -> None:
    assert places("a thing") == (cuda, [])
    assert [place.name("a thing") for place in cuda] == [
        "a thing",
        "a thing, base on CUDA",
        "a thing, large-v3-turbo on CUDA",
    ]
    assert [place.settings for place in cuda] == [
        {"stt_device": "cpu", "stt_model": "base", "stt_compute_type": "int8"},
        {"stt_device": "cuda", "stt_model": "base", "stt_compute_type": "float16"},
        {"stt_device": "cuda", "stt_model": "large-v3-turbo", "stt_compute_type": "float16"},
    ]


def test_a_larger_whisper_without_weights_is_skipped(cuda: list[Place], tmp_path: Path) -> None:
    (tmp_path / "whisper-large-v3-turbo" / "model.bin").unlink()
    (tmp_path / "whisper-large-v3-turbo").rmdir()
    here, [skipped] = places("a thing")
    assert here == cuda[:2]
    assert skipped.what == "a thing, a larger Whisper on CUDA"
    assert "simplevoice models pull whisper-large-v3-turbo" in skipped.why


async def test_both_sides_are_loaded_there(cuda: list[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[str, ...]] = []

    class FakeWhisper:
        """Ours, which can't be had here: it shows what was asked for."""

        def __init__(self, config: Any, _: object) -> None:
            loaded.append(("ours", config.device, config.model, config.compute_type))

        async def load(self) -> None:
            return

        async def warm_up(self) -> None:
            return

        async def close(self) -> None:
            return

    def stock(folder: str, **settings: Any) -> Any:
        loaded.append(("stock", settings["device"], folder, settings["compute_type"]))
        return SimpleNamespace()

    monkeypatch.setattr(recognizers, "WhisperTranscriber", FakeWhisper)
    monkeypatch.setattr(recognizers, "WhisperModel", stock)
    monkeypatch.setattr("simplevoice.models.store.ModelStore.ensure", lambda _, name: Path(name))
    for place in cuda:
        async with recognizers.recognizers(place):
            pass
    assert loaded == [
        ("ours", "cpu", "base", "int8"),
        ("stock", "cpu", "whisper-base", "int8"),
        ("ours", "cuda", "base", "float16"),
        ("stock", "cuda", "whisper-base", "float16"),
        ("ours", "cuda", "large-v3-turbo", "float16"),
        ("stock", "cuda", "whisper-large-v3-turbo", "float16"),
    ]
    assert [place.beam for place in cuda] == [1, 5, 5]


@pytest.mark.parametrize(("device", "model"), [("cpu", "base"), ("cuda", "large-v3-turbo")])
async def test_the_stock_server_takes_the_whisper_that_it_is_told(
    monkeypatch: pytest.MonkeyPatch, device: str, model: str
) -> None:
    done: list[object] = []

    def load(folder: str, **settings: Any) -> None:
        done.append((folder, settings["device"], settings["compute_type"]))

    monkeypatch.setattr(stock_server, "WhisperModel", load)
    monkeypatch.setattr("simplevoice.stt.cuda.open_cublas", lambda: done.append("cuBLAS"))
    monkeypatch.setattr("simplevoice.models.store.ModelStore.path", lambda _, name: name)
    config = msgspec.convert({"stt": {"device": device, "model": model, "compute_type": "float32"}}, Config)
    await stock_server.StockTranscriber(config).load()
    assert done == ["cuBLAS"] * (device == "cuda") + [(f"whisper-{model}", device, "float32")]
