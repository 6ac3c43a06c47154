"""SHA-256 of files, each computed once a process as long as the file stays the same, and the list of them on disk."""

import hashlib
import mmap
import os
import threading
from pathlib import Path
from typing import BinaryIO

SUMS_NAME = "SHA256SUMS"
"""Beside the files of a model, in the format of sha256sum(1), so that ``sha256sum -c`` reads it too."""

_known: dict[tuple[int, int, int, int], str] = {}
_lock = threading.Lock()


def sha256_of(path: Path) -> str:
    """Hash a file, or recall its hash when device, inode, size and time of change are those hashed before."""
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        with _lock:
            if key in _known:
                return _known[key]
        digest = _digest(file)
    with _lock:
        _known[key] = digest
    return digest


def _digest(file: BinaryIO) -> str:
    """Hash at one go: between pieces this thread would wait for the GIL, for 5 ms each while others import."""
    try:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:  # there is nothing in it
        return hashlib.sha256().hexdigest()
    with content:
        return hashlib.sha256(content).hexdigest()


def read_sums(folder: Path) -> dict[str, str]:
    """Read the recorded digests of a folder by file name; empty when there are none."""
    try:
        lines = (folder / SUMS_NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}


def write_sums(folder: Path, sums: dict[str, str]) -> None:
    """Record the digests of a folder's files."""
    text = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    (folder / SUMS_NAME).write_text(text, encoding="utf-8")
