"""SHA-256 of files, each computed once a process as long as the file stays the same, and the list of them on disk."""

import hashlib
import os
import threading
from pathlib import Path

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
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with _lock:
        _known[key] = digest
    return digest


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
