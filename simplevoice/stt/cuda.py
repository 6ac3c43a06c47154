"""What Whisper needs of NVIDIA's: a device, cuBLAS, which is no part of CTranslate2's wheels, and a fast arithmetic.

``CUDA_VISIBLE_DEVICES`` says which of several devices is the first, and CTranslate2 takes that one.
"""

import ctypes
import importlib.util
import sys
from pathlib import Path
from typing import Literal

import ctranslate2

from simplevoice.errors import EngineError

CUBLAS = ("libcublasLt.so.12", "libcublas.so.12")
"""CTranslate2 looks for the second by its name when it first multiplies, and the second for the first."""


def devices() -> int:
    """Count the devices; without a driver, or with one that is too old, there are none."""
    return int(ctranslate2.get_cuda_device_count())


def open_cublas() -> None:
    """Open cuBLAS where CTranslate2 would not look: in the ``cuda`` extra; else the system's. Raises EngineError."""
    if sys.platform != "linux":
        return
    folder = _wheel()
    try:
        for library in CUBLAS:
            ctypes.CDLL(str(folder / library) if folder else library, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise EngineError(f"cuBLAS of CUDA 12 can't be opened: {error}") from error


def compute_type() -> Literal["float16", "float32"]:
    """Choose the arithmetic: CTranslate2 refuses float16 where it is slow, as on GPUs before Volta."""
    return "float16" if "float16" in ctranslate2.get_supported_compute_types("cuda") else "float32"


def _wheel() -> Path | None:
    """Find where the ``cuda`` extra keeps its libraries."""
    spec = importlib.util.find_spec("nvidia.cublas") if importlib.util.find_spec("nvidia") else None
    folders = [Path(folder) / "lib" for folder in (spec.submodule_search_locations or ())] if spec else []
    return next((folder for folder in folders if (folder / CUBLAS[-1]).exists()), None)
