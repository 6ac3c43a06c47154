"""The store gives only verified weights, and repairs, resumes and shares what it fetches."""

import errno
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock
from huggingface_hub import constants

from simplevoice.config import ModelsConfig
from simplevoice.errors import FetchStoppedError, ModelError, WeightsCorruptError, WeightsUnavailableError
from simplevoice.models import sources
from simplevoice.models import store as stores
from simplevoice.models.catalog import CATALOG, Hub, Model, ModelFile, Wheels
from simplevoice.models.digests import SUMS_NAME
from simplevoice.models.fetching import Fetching
from simplevoice.models.store import ModelStore, best_llm, ensure_llm
from tests.fakes.hub import FakeHub, HubFile
from tests.unit.models.conftest import (
    CONFIG,
    FILES,
    FIRST,
    FOLDER,
    HUB,
    REPO,
    REVISION,
    SECOND,
    WEIGHTS,
    WHEELS,
    Index,
    model_file,
    small_model,
)

UNKNOWN = Hub((ModelFile("model.bin"), ModelFile("config.json")), REPO, REVISION, FOLDER)
MODEL_PATH = f"/{REPO}/resolve/{REVISION}/{FOLDER}/model.bin"
Small = Callable[..., Model]


def place(folder: Path, weights: bytes = WEIGHTS) -> Path:
    """Put the small model into a folder by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(weights)
    (folder / "config.json").write_bytes(CONFIG)
    return folder


def assert_complete(folder: Path) -> None:
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert (folder / "config.json").read_bytes() == CONFIG


def leftovers(store: ModelStore) -> list[str]:
    return [str(path.relative_to(store.root)) for path in (store.root / ".staging").rglob("*")]


class TestRoot:
    def test_is_the_users_cache_by_default(self) -> None:
        assert ModelStore(ModelsConfig()).root == platformdirs.user_cache_path("simplevoice") / "models"

    def test_is_where_the_settings_say(self) -> None:
        assert ModelStore(ModelsConfig(dir="~/weights")).root == Path.home() / "weights"


class TestPath:
    def test_gives_the_folder(self, store: ModelStore, small: Small) -> None:
        small(WHEELS)
        folder = place(store.root / "small")
        assert store.present("small")
        assert store.path("small") == folder

    def test_says_how_to_fetch_what_is_not_there(self, store: ModelStore, small: Small) -> None:
        small(WHEELS)
        assert not store.present("small")
        with pytest.raises(WeightsUnavailableError, match="`simplevoice models pull small` fetches it"):
            store.path("small")

    def test_half_a_model_is_not_there(self, store: ModelStore, small: Small) -> None:
        small(WHEELS)
        (place(store.root / "small") / "config.json").unlink()
        assert not store.present("small")
        with pytest.raises(WeightsUnavailableError):
            store.path("small")

    def test_refuses_and_names_a_truncated_file(self, store: ModelStore, small: Small) -> None:
        small(WHEELS)
        place(store.root / "small", WEIGHTS[:-1])
        assert not store.present("small")
        with pytest.raises(WeightsCorruptError, match=r"small/model\.bin is truncated or altered: 299999 bytes"):
            store.path("small")

    def test_refuses_and_names_an_altered_file(self, store: ModelStore, small: Small) -> None:
        small(WHEELS)
        place(store.root / "small", b"\0" + WEIGHTS[1:])
        with pytest.raises(WeightsCorruptError, match=r"small/model\.bin is altered: SHA-256"):
            store.path("small")

    def test_notices_what_is_altered_after_it_was_verified(self, store: ModelStore, small: Small) -> None:
        small(WHEELS)
        folder = place(store.root / "small")
        store.path("small")
        with (folder / "model.bin").open("r+b") as file:
            file.write(b"\0")
        os.utime(folder / "model.bin", ns=(1, 1))
        with pytest.raises(WeightsCorruptError):
            store.path("small")

    def test_knows_the_files_of_every_source(self, store: ModelStore, small: Small) -> None:
        other = Hub((model_file("weights.bin", b"other"),), REPO, REVISION)
        small(WHEELS, other)
        folder = store.root / "small"
        folder.mkdir(parents=True)
        (folder / "weights.bin").write_bytes(b"other")
        assert store.path("small") == folder

    def test_refuses_files_whose_digest_nobody_knows(self, store: ModelStore, small: Small) -> None:
        small(UNKNOWN)
        place(store.root / "small")
        with pytest.raises(WeightsCorruptError, match="has no known SHA-256"):
            store.path("small")


class TestEnsure:
    def test_fetches_wheels_and_leaves_nothing_else(self, store: ModelStore, small: Small, index: Index) -> None:
        small(WHEELS)
        index.add_small()
        steps: list[tuple[int, int]] = []
        folder = store.ensure("small", lambda done, total: steps.append((done, total)))
        assert_complete(folder)
        assert store.path("small") == folder
        assert {path.name for path in folder.iterdir()} == {"model.bin", "config.json", SUMS_NAME}
        assert steps[-1] == (300_000, 300_000)
        assert leftovers(store) == []

    def test_asks_nobody_for_what_is_there(self, store: ModelStore, small: Small, hub: FakeHub) -> None:
        small(HUB)
        place(store.root / "small")
        store.ensure("small")
        assert hub.requests == []

    @pytest.mark.parametrize("damaged", [WEIGHTS[:1000], b"\0" + WEIGHTS[1:]], ids=["truncated", "altered"])
    def test_fetches_only_the_damaged_file_again(
        self, store: ModelStore, small: Small, hub: FakeHub, damaged: bytes
    ) -> None:
        small(HUB)
        place(store.root / "small", damaged)
        assert_complete(store.ensure("small"))
        assert hub.downloads() == [(MODEL_PATH, None)]

    def test_asks_the_next_source_when_one_fails(
        self, store: ModelStore, small: Small, index: Index, hub: FakeHub
    ) -> None:
        small(WHEELS, HUB)
        assert_complete(store.ensure("small"))

    def test_takes_no_bytes_that_the_catalogue_does_not_know(
        self, store: ModelStore, small: Small, index: Index
    ) -> None:
        small(WHEELS)
        index.add(FIRST, {"small/model.part1": b"\0" * 200_000})
        index.add(SECOND, {"small/model.part2": WEIGHTS[200_000:], "small/config.json": CONFIG})
        with pytest.raises(WeightsUnavailableError, match=r"model\.bin is altered: SHA-256"):
            store.ensure("small")
        assert not (store.root / "small").exists()
        index.add_small()
        assert_complete(store.ensure("small"))

    def test_the_error_names_every_source(self, store: ModelStore, small: Small, index: Index) -> None:
        small(WHEELS, HUB)
        with pytest.raises(
            WeightsUnavailableError,
            match=r"small can't be had .* index small-part-1 \+ small-part-2: pip: No matching .*"
            r"hub maker/small: .*refused",
        ):
            store.ensure("small")

    def test_records_the_digests_that_the_hub_announced(self, store: ModelStore, small: Small, hub: FakeHub) -> None:
        small(UNKNOWN)
        folder = store.ensure("small")
        assert_complete(folder)
        assert ModelStore(ModelsConfig(dir=str(store.root))).path("small") == folder
        (folder / "model.bin").write_bytes(WEIGHTS[:-1])
        with pytest.raises(WeightsCorruptError, match=r"model\.bin is altered"):
            store.path("small")
        assert_complete(store.ensure("small"))

    def test_a_wheel_is_kept_while_another_model_needs_it(
        self, store: ModelStore, monkeypatch: pytest.MonkeyPatch, index: Index
    ) -> None:
        for name, file in (("one", FILES[0]), ("two", FILES[1])):
            source = Wheels((file,), {file.name: WHEELS.parts[file.name]})
            model = Model(name=name, kind="tts", languages=("en",), licence="MIT", description="", sources=(source,))
            monkeypatch.setitem(CATALOG, name, model)
        index.add_small()
        store.ensure("one")
        assert leftovers(store) == [".staging/small-part-2-1.0.0.whl"]
        for wheel in index.folder.iterdir():
            wheel.unlink()
        store.ensure("two")
        assert leftovers(store) == []

    def test_a_root_that_cannot_be_written_is_named(self, tmp_path: Path, small: Small) -> None:
        small(HUB)
        (tmp_path / "file").touch()
        with pytest.raises(WeightsUnavailableError, match=r"can't be stored in .*file"):
            ModelStore(ModelsConfig(dir=str(tmp_path / "file"))).ensure("small")


class TestLocal:
    @pytest.fixture
    def local(self, tmp_path: Path) -> ModelStore:
        return ModelStore(ModelsConfig(dir=str(tmp_path / "models"), source_dir=str(tmp_path / "disk"), offline=True))

    def test_offline_asks_nobody(self, tmp_path: Path, small: Small, hub: FakeHub) -> None:
        small(HUB)
        store = ModelStore(ModelsConfig(dir=str(tmp_path / "models"), offline=True))
        with pytest.raises(WeightsUnavailableError, match=f"small is not in {store.root}, and models.offline is set; "):
            store.ensure("small")
        assert hub.requests == []

    def test_a_local_folder_serves_offline(self, local: ModelStore, tmp_path: Path, small: Small) -> None:
        small(HUB)
        place(tmp_path / "disk" / "small")
        assert_complete(local.ensure("small"))

    def test_a_damaged_local_file_is_refused(self, local: ModelStore, tmp_path: Path, small: Small) -> None:
        small(HUB)
        place(tmp_path / "disk" / "small", WEIGHTS[:-1])
        with pytest.raises(WeightsUnavailableError, match=r"folder .*disk/small: .*model\.bin is truncated"):
            local.ensure("small")

    def test_another_store_is_a_local_folder(
        self, local: ModelStore, tmp_path: Path, small: Small, hub: FakeHub
    ) -> None:
        small(UNKNOWN)
        ModelStore(ModelsConfig(dir=str(tmp_path / "disk"))).ensure("small")
        assert_complete(local.ensure("small"))


def ensure_in_process(root: str, result: Connection) -> None:
    """Fetch the small model from the hub that HF_ENDPOINT names, as a process of its own."""
    constants.DOWNLOAD_CHUNK_SIZE = 4096  # bytes that are written at once; a real file has many of the default
    CATALOG["small"] = small_model(HUB)
    result.recv()
    result.send(str(ModelStore(ModelsConfig(dir=root)).ensure("small")))


class TestProcesses:
    def start(self, store: ModelStore) -> tuple[multiprocessing.process.BaseProcess, Connection]:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=ensure_in_process, args=(str(store.root), theirs))
        process.start()
        theirs.close()
        return process, ours

    def test_two_at_once_download_once(self, store: ModelStore, hub: FakeHub) -> None:
        started = [self.start(store) for _ in range(2)]
        for _, pipe in started:
            pipe.send("go")
        assert [pipe.recv() for _, pipe in started] == [str(store.root / "small")] * 2
        for process, pipe in started:
            process.join()
            process.close()
            pipe.close()
        assert_complete(store.root / "small")
        assert [path for path, _ in hub.downloads()].count(MODEL_PATH) == 1

    def test_a_killed_download_goes_on(self, store: ModelStore, small: Small, hub: FakeHub) -> None:
        small(HUB)
        hub.stall_after = 200_000
        process, pipe = self.start(store)
        pipe.send("go")
        part = store.root / ".staging" / "small" / "model.bin.part"
        assert hub.stalled.wait(20)
        while part.stat().st_size < 100_000:  # until the test's own timeout
            assert process.is_alive()
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        process.close()
        pipe.close()
        hub.stall_after = None
        on_disk = part.stat().st_size
        assert on_disk <= 200_000
        assert not store.present("small")
        assert_complete(store.ensure("small"))
        assert hub.downloads()[1] == (MODEL_PATH, f"bytes={on_disk}-")


class TestStopping:
    def test_a_fetch_that_is_stopped_asks_no_other_source_and_says_so(
        self, small: Small, store: ModelStore, hub: FakeHub, index: Index
    ) -> None:
        small(HUB, WHEELS)
        index.add_small()
        fetching = Fetching()
        fetching.stopped.set()
        with pytest.raises(WeightsUnavailableError, match="its fetch was stopped"), fetching.followed():
            store.ensure("small")
        assert not store.present("small")

    def test_the_wait_for_another_process_too(self, small: Small, store: ModelStore) -> None:
        small(HUB)
        store.root.mkdir(parents=True)
        fetching = Fetching()
        fetching.stopped.set()
        stopped = pytest.raises(WeightsUnavailableError, match="the wait for it was stopped")
        with FileLock(store.root / ".lock"), stopped, fetching.followed():
            store.ensure("small")


class TestLanguageModel:
    @pytest.fixture(autouse=True)
    def candidates(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Language models that are small: the better ones from the hub, the last one from wheels."""
        for name, source in (("qwen3-1.7b", HUB), ("qwen3-0.6b", HUB), ("smollm2-135m", WHEELS)):
            model = Model(name=name, kind="llm", languages=("en",), licence="MIT", description="", sources=(source,))
            monkeypatch.setitem(CATALOG, name, model)

    def test_the_best_present_one_is_named(self, store: ModelStore) -> None:
        assert best_llm(store, gpu=False) is None
        place(store.root / "qwen3-1.7b")
        assert best_llm(store, gpu=False) == "qwen3-1.7b"
        place(store.root / "smollm2-135m")
        assert best_llm(store, gpu=False) == "smollm2-135m"
        assert best_llm(store, gpu=True) == "qwen3-1.7b"
        place(store.root / "qwen3-0.6b")
        assert best_llm(store, gpu=False) == "qwen3-0.6b"

    def test_the_best_one_is_fetched(self, store: ModelStore, hub: FakeHub) -> None:
        followed: list[str] = []

        def follow(name: str) -> Callable[[int, int], None]:
            followed.append(name)
            return lambda done, total: None

        assert ensure_llm(store, gpu=False, follow=follow) == "qwen3-0.6b"
        assert store.present("qwen3-0.6b")
        assert followed == ["qwen3-0.6b"]

    def test_the_next_one_is_fetched_when_it_cannot_be_had(self, store: ModelStore, index: Index) -> None:
        index.add_small()
        failed: list[tuple[str, ModelError]] = []
        chosen = ensure_llm(store, gpu=False, on_failure=lambda name, error: failed.append((name, error)))
        assert chosen == "smollm2-135m"
        assert [name for name, _ in failed] == ["qwen3-0.6b"]
        assert "refused" in str(failed[0][1])

    def test_a_fetch_that_is_stopped_is_no_reason_for_another_model(self, store: ModelStore, index: Index) -> None:
        index.add_small()
        failed: list[str] = []
        fetching = Fetching()
        fetching.stopped.set()
        with pytest.raises(FetchStoppedError, match=r"qwen3-0\.6b is not there yet"), fetching.followed():
            ensure_llm(store, gpu=False, on_failure=lambda name, _: failed.append(name))
        assert failed == []

    def test_without_any_the_last_error_is_raised(self, store: ModelStore, index: Index) -> None:
        with pytest.raises(WeightsUnavailableError, match="smollm2-135m can't be had"):
            ensure_llm(store, gpu=False)


def test_a_wrong_etag_of_a_large_file_is_no_reason_to_lose_the_other_sources(
    store: ModelStore, small: Small, hub: FakeHub, index: Index
) -> None:
    hub.put(REPO, REVISION, f"{FOLDER}/model.bin", HubFile(b"another"))
    index.add_small()
    small(HUB, WHEELS)
    assert_complete(store.ensure("small"))


class TestDisk:
    @pytest.mark.parametrize(
        "write", [f"{sources.__name__}._copy", f"{stores.__name__}.write_sums", f"{stores.__name__}._sync"]
    )
    def test_a_full_disk_is_told_and_the_fetch_goes_through_once_there_is_room(
        self, store: ModelStore, small: Small, index: Index, monkeypatch: pytest.MonkeyPatch, write: str
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        small(WHEELS)
        index.add_small()
        with monkeypatch.context() as broken:
            broken.setattr(write, full)
            with pytest.raises(WeightsUnavailableError, match="No space left on device"):
                store.ensure("small")
            assert not store.present("small")
        assert_complete(store.ensure("small"))
        assert leftovers(store) == []

    def test_a_full_disk_while_the_hub_gives_is_told(
        self, store: ModelStore, small: Small, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        small(HUB)
        with monkeypatch.context() as broken:
            broken.setattr("huggingface_hub.file_download.http_get", full)
            with pytest.raises(WeightsUnavailableError, match="No space left on device"):
                store.ensure("small")
        for file in FILES:
            data = WEIGHTS if file.name == "model.bin" else CONFIG
            hub.put(REPO, REVISION, f"{FOLDER}/{file.name}", HubFile(data))
        assert_complete(store.ensure("small"))

    def test_a_folder_that_cannot_be_written_is_told(self, small: Small) -> None:
        small(WHEELS)
        store = ModelStore(ModelsConfig(dir="/proc/simplevoice"))
        with pytest.raises(WeightsUnavailableError, match="small can't be stored in /proc/simplevoice: "):
            store.ensure("small")

    def test_what_is_there_is_used_where_nothing_can_be_written(
        self, store: ModelStore, small: Small, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def read_only(path: Path, *_: object, **__: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

        small(WHEELS)
        place(store.root / "small")
        for method in ("mkdir", "unlink", "rename", "touch"):
            monkeypatch.setattr(Path, method, read_only)
        assert_complete(store.ensure("small"))

    def test_what_vanishes_while_the_daemon_runs_is_fetched_again(
        self, store: ModelStore, small: Small, index: Index
    ) -> None:
        small(WHEELS)
        index.add_small()
        (store.ensure("small") / "model.bin").unlink()
        assert_complete(store.ensure("small"))
