"""Digests are right, computed once, and never recalled for a file that changed."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from simplevoice.models.digests import read_sums, sha256_of, write_sums


@pytest.mark.parametrize("content", [b"weights", b""])
def test_sha256_of(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert sha256_of(path) == hashlib.sha256(content).hexdigest()


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"weights")
    first = sha256_of(path)
    monkeypatch.setattr("hashlib.sha256", lambda *_: pytest.fail("it was hashed again"))
    assert sha256_of(path) == first
    path.rename(tmp_path / "moved")
    assert sha256_of(tmp_path / "moved") == first


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"weights")
    before = sha256_of(path)
    path.write_bytes(b"WEIGHTS!")
    assert sha256_of(path) != before


def test_sums_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    sums = {"model.bin": sha256_of(tmp_path / "model.bin")}
    write_sums(tmp_path, sums)
    assert read_sums(tmp_path) == sums
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"nonsense\n"])
def test_unreadable_sums_are_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "SHA256SUMS").write_bytes(content)
    assert read_sums(tmp_path) == {}
