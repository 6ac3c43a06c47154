"""The one file, with a small program in it: unpacked once, by whoever comes first, and never while it is in use."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "packaging" / "onefile.py"

PROGRAM = """#!/bin/sh
# {version}
case $1 in
echo) shift; printf '%s\\n' "$0" "$@";;
wait) echo here; read -r line; [ -x "$0" ] && echo "still here";;
fail) exit 7;;
esac
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the one file is for Linux")


class Packed:
    """A file made of a small program, and the cache folder that it is unpacked into."""

    def __init__(self, folder: Path, version: str, cache: Path) -> None:
        source = folder / version
        (source / "_internal").mkdir(parents=True)
        (source / "_internal" / "data").write_bytes(os.urandom(200_000))
        (source / "simplevoice").write_text(PROGRAM.format(version=version))
        (source / "simplevoice").chmod(0o755)
        self.file = folder / f"packed {version}"
        self.report = subprocess.check_output([sys.executable, SCRIPT, source, self.file], encoding="utf-8")
        self.programs = cache / "simplevoice" / "programs"
        self._environment = os.environ | {"XDG_CACHE_HOME": str(cache)}

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start it, with its input and output at hand."""
        return subprocess.Popen(
            [self.file, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment | environment,
            encoding="utf-8",
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Run it to its end; gives exit code, output and errors."""
        process = self.start(*arguments, **environment)
        output, errors = process.communicate()
        return process.returncode, output, errors

    def unpacked(self) -> list[Path]:
        """The folders with a program, and anything that was left lying."""
        return sorted(path for path in self.programs.iterdir() if path.name != ".lock")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def packed(tmp_path: Path, cache: Path) -> Packed:
    return Packed(tmp_path, "one", cache)


@pytest.fixture
def newer(tmp_path: Path, cache: Path) -> Packed:
    return Packed(tmp_path, "two", cache)


@pytest.fixture
def running(packed: Packed) -> Iterator[subprocess.Popen[str]]:
    process = packed.start("wait")
    assert process.stdout
    assert process.stdout.readline() == "here\n"
    yield process
    process.communicate()


def test_the_program_gets_its_arguments(packed: Packed) -> None:
    code, output, errors = packed.run("echo", "two words", "", "*", "--version")
    assert (code, errors) == (0, "")
    assert output.splitlines()[1:] == ["two words", "", "*", "--version"]


def test_its_exit_code_is_the_programs(packed: Packed) -> None:
    assert packed.run("fail") == (7, "", "")


def test_it_is_unpacked_once(packed: Packed) -> None:
    packed.run("echo")
    [folder] = packed.unpacked()
    before = folder.stat()
    packed.run("echo")
    assert packed.unpacked() == [folder]
    assert (folder.stat().st_ino, folder.stat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_only_the_user_may_look_into_the_folder(packed: Packed) -> None:
    packed.run("echo")
    assert packed.programs.stat().st_mode & 0o077 == 0
    assert packed.unpacked()[0].stat().st_mode & 0o077 == 0


def test_several_that_start_at_once_share_one_folder(packed: Packed) -> None:
    processes = [packed.start("echo") for _ in range(6)]
    outputs = {process.communicate() for process in processes}
    assert {process.returncode for process in processes} == {0}
    assert len(outputs) == 1
    assert len(packed.unpacked()) == 1


def test_another_version_removes_the_old_one(packed: Packed, newer: Packed) -> None:
    packed.run("echo")
    [old] = packed.unpacked()
    newer.run("echo")
    [new] = newer.unpacked()
    assert new != old


def test_what_is_in_use_is_not_removed(packed: Packed, newer: Packed, running: subprocess.Popen[str]) -> None:
    newer.run("echo")
    assert len(newer.unpacked()) == 2
    assert running.communicate("go on\n")[0] == "still here\n"


def test_the_old_version_can_come_back(packed: Packed, newer: Packed) -> None:
    for version in (packed, newer, packed):
        assert version.run("echo")[0] == 0


def test_what_a_killed_start_left_is_removed(packed: Packed) -> None:
    packed.programs.mkdir(parents=True)
    (packed.programs / ".new.killed").mkdir()
    (packed.programs / ".new.killed" / "half").touch()
    packed.run("echo")
    assert [path.name for path in packed.unpacked() if path.name.startswith(".")] == []


def test_a_damaged_file_says_so_and_leaves_nothing(packed: Packed) -> None:
    packed.file.write_bytes(packed.file.read_bytes()[:-50_000])
    code, output, errors = packed.run("echo")
    assert (code, output) == (1, "")
    assert "is damaged" in errors
    assert packed.unpacked() == []


def test_without_a_home_it_says_what_to_set(packed: Packed) -> None:
    assert packed.run("echo", HOME="", XDG_CACHE_HOME="") == (
        1,
        "",
        "simplevoice: can't unpack: neither HOME nor XDG_CACHE_HOME says where\n",
    )


def test_a_folder_that_cant_be_made_is_named(packed: Packed, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, errors = packed.run("echo", XDG_CACHE_HOME=str(tmp_path / "file"))
    assert code == 1
    assert errors.startswith(f"simplevoice: can't unpack: {tmp_path}/file/simplevoice/programs can't be written;")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_nothing_is_run_from_a_folder_of_somebody_else(packed: Packed) -> None:
    packed.run("echo")
    os.chown(packed.programs, 65534, -1)
    code, output, errors = packed.run("echo")
    assert (code, output) == (1, "")
    assert "belongs to another user" in errors


def test_the_same_folder_gives_the_same_file(packed: Packed, tmp_path: Path) -> None:
    again = tmp_path / "again"
    subprocess.run([sys.executable, SCRIPT, tmp_path / "one", again], check=True, stdout=subprocess.DEVNULL)
    assert again.read_bytes() == packed.file.read_bytes()


def test_the_build_tells_what_takes_the_room(packed: Packed) -> None:
    assert f"{packed.file}: 0 MB; unpacked 0 MB, of which\n" in packed.report
    assert "     0.2 MB  data\n" in packed.report
