"""The tokens of the token file: who has which, without keeping them."""

import asyncio
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import structlog

from simplevoice.caller import Token
from simplevoice.config import Config
from simplevoice.errors import ConfigError
from simplevoice.server.live import Commit

log = structlog.get_logger(__name__)

MAX_FILE_BYTES = 4 * 2**20
"""Room for 10,000 tokens of the greatest length."""

# What stands in a header, a WebSocket subprotocol and a query alike, without escapes.
_LINE = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,64}):(?P<token>[A-Za-z0-9._~-]{16,256})")
EXPECTED = "name:token, the name 1 to 64 of A-Z a-z 0-9 . _ -, the token 16 to 256 of A-Z a-z 0-9 . _ ~ -"


class TokenStore:
    """The tokens in force. As long as there is no token file, nobody is asked for one.

    Tokens are kept and looked up as digests under a key that only this process knows. Whoever guesses can't choose the
    digests that are compared, so the time it takes tells nothing about a token, however many there are.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._names: dict[bytes, str] | None = None
        self._replaced = asyncio.Event()

    @property
    def required(self) -> bool:
        """Whether a client needs a token."""
        return self._names is not None

    def __len__(self) -> int:
        return len(self._names or ())

    def welcomes(self, token: Token | None) -> bool:
        """Whether a client that was let in with this token, or with none, would be let in again."""
        if self._names is None:
            return True
        return token is not None and self._names.get(token.digest) == token.name

    async def replaced(self) -> None:
        """Wait until other tokens are in force."""
        await self._replaced.wait()

    def find(self, text: str) -> Token | None:
        """Find the token that was presented, or None where there is no such token."""
        digest = self._digest(text)
        name = (self._names or {}).get(digest)
        return None if name is None else Token(name, digest)

    async def prepare(self, config: Config) -> Commit:
        """Read the token file; the commit puts it in force. Raises ConfigError, which tells no token."""
        file = config.server.auth_token_file
        names = None if file is None else await asyncio.to_thread(self._read, Path(file))
        return partial(self._put_in_force, names)

    def _put_in_force(self, names: dict[bytes, str] | None) -> None:
        self._names = names
        if names is not None:
            log.info("tokens_in_force", count=len(names))
        self._replaced.set()
        self._replaced = asyncio.Event()

    def _read(self, path: Path) -> dict[bytes, str]:
        """Read names by digest, or raise ConfigError with every problem."""
        path = path.expanduser()
        names: dict[bytes, str] = {}
        lines: dict[str | bytes, int] = {}
        problems: list[str] = []
        for number, name, token in _entries(path, problems):
            digest = self._digest(token)
            for what, key in (("name", name), ("token", digest)):
                if key in lines:
                    problems.append(f"{path}, line {number}: this {what} stands in line {lines[key]} already")
                lines.setdefault(key, number)
            names[digest] = name
        if not names and not problems:
            problems.append(f"{path} holds no token; a line is {EXPECTED}")
        if problems:
            raise ConfigError(problems)
        return names

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(errors="surrogateescape"), key=self._key, digest_size=32).digest()


def _entries(path: Path, problems: list[str]) -> Iterator[tuple[int, str, str]]:
    """Yield line number, name and token; what is wrong goes to ``problems``."""
    for number, line in enumerate(_content(path, problems).splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if match := _LINE.fullmatch(line):
            yield number, match["name"], match["token"]
        else:
            problems.append(f"{path}, line {number}: not {EXPECTED}")


def _content(path: Path, problems: list[str]) -> str:
    """Read the file, which must be closed to other users of the machine: they could take the tokens, or add some."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        problems.append(f"{path}: can't be read: {error.strerror}")
        return ""
    if mode & stat.S_IRWXO:
        problems.append(f"{path} is open to every user of the machine (mode {mode:o}): chmod o= {path}")
    if len(content) > MAX_FILE_BYTES:
        problems.append(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        return ""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(f"{path}: not UTF-8 at byte {error.start}")
        return ""
