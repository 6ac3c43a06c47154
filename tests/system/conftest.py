"""What the system tests share: the files that were built, a Debian to boot, and the weights."""

import os
from pathlib import Path

import pytest

from simplevoice.config.sources import load
from simplevoice.models.catalog import SILERO_VAD, Wheels
from simplevoice.models.store import ModelStore
from tests.unit.models.conftest import Index

TOP = Path(__file__).parents[2]
WEIGHTS = ("whisper-base", "smollm2-135m", "silero-vad", "smart-turn-v3")


@pytest.fixture(scope="session")
def base() -> Path:
    """A tar of a Debian 12, made by prepare.sh."""
    assert "DEBIAN_BASE" in os.environ, "these tests are started by `make test-system`"
    return Path(os.environ["DEBIAN_BASE"])


@pytest.fixture(scope="session")
def binary() -> Path:
    """The one file of `make binary`."""
    return TOP / "dist" / "simplevoice"


@pytest.fixture(scope="session")
def package() -> Path:
    """The package of `make deb`."""
    [package] = (TOP / "dist").glob("simplevoice_*.deb")
    return package


@pytest.fixture(scope="session")
def weights() -> Path:
    """The folder with the weights that a conversation needs. Without them the tests fail: none is skipped."""
    store = ModelStore(load().config.models)
    missing = [name for name in WEIGHTS if not store.present(name)]
    assert not missing, f"{', '.join(missing)} is missing in {store.root}; run: simplevoice models pull --for-tests"
    return store.root


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The recordings of the test suite."""
    return TOP / "tests" / "data"


@pytest.fixture(scope="session")
def wheels(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip takes for a package index, with a wheel of the catalogue that carries weights."""
    source = SILERO_VAD.sources[-1]
    assert isinstance(source, Wheels)
    [(wheel, member)] = source.parts["silero_vad.onnx"]
    folder = tmp_path_factory.mktemp("wheels")
    folder.chmod(0o755)
    Index(folder).add(wheel, {member: (weights / "silero-vad" / "silero_vad.onnx").read_bytes()})
    return folder
