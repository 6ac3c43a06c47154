"""Join a program's folder into one executable file: stub.sh, and behind it the folder as a tar.gz.

    python packaging/onefile.py FOLDER FILE

The same folder gives the same file.
"""

import gzip
import hashlib
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import IO

STUB = Path(__file__).with_name("stub.sh")
COMPRESSION = 6
BLOCK = 1 << 20
MUCH = 350_000_000
"""A larger file, in bytes, is not what anybody expects."""

DIGEST_DIGITS = 16


def main(folder: Path, file: Path) -> None:
    """Write the file and tell its size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=file.parent) as payload:
        pack(folder, payload)
        payload.seek(0)
        digest = hashlib.file_digest(payload, "sha256").hexdigest()[:DIGEST_DIGITS]
        payload.seek(0)
        unfinished = file.with_name(f".{file.name}.new")
        with unfinished.open("wb") as output:
            output.write(stub(digest))
            while block := payload.read(BLOCK):
                output.write(block)
    unfinished.chmod(0o755)
    unfinished.replace(file)
    report(folder, file)


def pack(folder: Path, payload: IO[bytes]) -> None:
    """Write a tar.gz of what is in the folder, without anything of this machine's users and times."""
    with (
        gzip.GzipFile("", "wb", COMPRESSION, payload, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in sorted(folder.rglob("*")):
            archive.add(path, path.relative_to(folder), recursive=False, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def stub(digest: str) -> bytes:
    """Make the script that stands in front of a payload of this digest."""
    text = STUB.read_text("utf-8")
    first_line = text.count("\n") + 1
    return text.replace("@DIGEST@", digest).replace("@FIRST_LINE@", str(first_line)).encode()


def report(folder: Path, file: Path) -> None:
    """Print the sizes, and which parts take the room."""
    size = file.stat().st_size
    parts = sorted(_parts(folder).items(), key=lambda part: -part[1])
    print(f"{file}: {size / 1e6:.0f} MB; unpacked {sum(room for _, room in parts) / 1e6:.0f} MB, of which")
    for name, room in parts[:12]:
        print(f"  {room / 1e6:6.1f} MB  {name}")
    if size > MUCH:
        print(f"More than {MUCH / 1e6:.0f} MB: the parts above take the room.")


def _parts(folder: Path) -> dict[str, int]:
    """Bytes by package: a library that a package brought counts as its own."""
    rooms: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            inside = path.relative_to(folder).parts
            name = inside[1] if inside[0] == "_internal" else inside[0]
            name = name.removesuffix(".libs")
            rooms[name] = rooms.get(name, 0) + path.stat().st_size
    return rooms


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
