"""What there is of CUDA without a GPU: what is looked for, where, and what is said when it is not there."""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simplevoice.errors import EngineError
from simplevoice.stt import cuda

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the names are those of Linux")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gives the libraries that were opened, for all to see."""
    names: list[str] = []

    def open_library(name: str, mode: int) -> None:
        assert mode == ctypes.RTLD_GLOBAL
        names.append(name)

    monkeypatch.setattr(ctypes, "CDLL", open_library)
    return names


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install what looks like the ``cuda`` extra; gives where its libraries are."""
    folder = tmp_path / "nvidia" / "cublas" / "lib"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    for library in cuda.CUBLAS:
        (folder / library).touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "nvidia"]:
        del sys.modules[name]


def test_the_extra_comes_first(opened: list[str], wheel: Path) -> None:
    cuda.open_cublas()
    assert opened == [str(wheel / "libcublasLt.so.12"), str(wheel / "libcublas.so.12")]


@pytest.mark.parametrize("half_installed", [True, False])
def test_without_it_the_systems_is_taken(opened: list[str], wheel: Path, half_installed: bool) -> None:
    if half_installed:
        (wheel / "libcublas.so.12").unlink()
    else:
        (wheel.parent / "__init__.py").unlink()
        for library in cuda.CUBLAS:
            (wheel / library).unlink()
    cuda.open_cublas()
    assert opened == ["libcublasLt.so.12", "libcublas.so.12"]


@pytest.mark.usefixtures("wheel")
def test_what_can_not_be_opened_is_told() -> None:
    with pytest.raises(EngineError, match=r"cuBLAS of CUDA 12 can't be opened: .*libcublasLt\.so\.12: file too short"):
        cuda.open_cublas()


@pytest.mark.parametrize(
    ("supported", "chosen"), [({"float16", "float32", "int8"}, "float16"), ({"float32", "int8"}, "float32")]
)
def test_float16_where_it_is_fast(monkeypatch: pytest.MonkeyPatch, supported: set[str], chosen: str) -> None:
    monkeypatch.setattr("ctranslate2.get_supported_compute_types", lambda device: supported if device == "cuda" else [])
    assert cuda.compute_type() == chosen
