"""Where Whisper runs in a benchmark and with which weights: on the CPU, and on CUDA where there is a device."""

from typing import Literal

import msgspec

from simplevoice.config import ModelsConfig
from simplevoice.models.catalog import CATALOG
from simplevoice.models.store import ModelStore
from simplevoice.stt import cuda
from simplevoice.stt.whisper import BEAM
from tests.benchmarks.result import Skipped

PREFIX = "whisper-"
BASE = "base"


class Place(msgspec.Struct, frozen=True):
    """A device and a Whisper; both sides of a row have the same."""

    device: Literal["cpu", "cuda"] = "cpu"
    model: str = BASE

    @property
    def compute_type(self) -> str:
        """The arithmetic that is ours by default."""
        return "int8" if self.device == "cpu" else cuda.compute_type()

    @property
    def beam(self) -> int:
        """Ours: on the CPU it is greedy, and takes more only for what it doubts."""
        return 1 if self.device == "cpu" else BEAM

    @property
    def settings(self) -> dict[str, str]:
        """What a daemon is told."""
        return {"stt_device": self.device, "stt_model": self.model, "stt_compute_type": self.compute_type}

    def name(self, what: str) -> str:
        """Name a row of it; the CPU goes without saying."""
        return what if self.device == "cpu" else f"{what}, {self.model} on CUDA"

    def title(self, table: str) -> str:
        """Say above a table what it is of."""
        return table if self.device == "cpu" else f"\nThe same, {self.model} on CUDA:\n\n{table}"


CPU = Place()


def places(what: str) -> tuple[list[Place], list[Skipped]]:
    """Give all there are for a row, and say which rows are left out for want of a device, or of weights."""
    if not cuda.devices():
        return [CPU], [Skipped(f"{what}, on CUDA", "no CUDA device was found")]
    store = ModelStore(ModelsConfig())
    larger = [name for name, model in CATALOG.items() if model.kind == "stt" and name != f"{PREFIX}{BASE}"]
    here = [name for name in larger if store.present(name)]
    if not here:
        why = f"no weights are here: `simplevoice models pull {larger[-1]}`"
        return [CPU, Place("cuda")], [Skipped(f"{what}, a larger Whisper on CUDA", why)]
    largest = max(here, key=lambda name: (store.root / name / "model.bin").stat().st_size)
    return [CPU, Place("cuda"), Place("cuda", largest.removeprefix(PREFIX))], []
