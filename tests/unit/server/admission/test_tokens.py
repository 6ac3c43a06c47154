import asyncio
import inspect
from pathlib import Path

import pytest

from simplevoice.caller import Token
from simplevoice.config import Config
from simplevoice.errors import ConfigError
from simplevoice.server.admission import tokens
from simplevoice.server.admission.tokens import TokenStore
from tests.fakes.client import with_changes

KITCHEN, WEB = "kitchen-0123456789", "web_0123456789.~abc"


async def load(store: TokenStore, file: Path | None) -> None:
    path = None if file is None else str(file)
    put_in_force = await store.prepare(with_changes(Config(), "server", auth_token_file=path))
    put_in_force()


async def problems(file: Path) -> list[str]:
    store = TokenStore()
    with pytest.raises(ConfigError) as refusal:
        await load(store, file)
    assert not store.required
    return [problem.replace(str(file), "tokens") for problem in refusal.value.problems]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.touch(0o600)
    return path


def name_of(token: Token | None) -> str | None:
    return None if token is None else token.name


async def test_tokens_are_found_by_what_they_are(file: Path) -> None:
    file.write_bytes(f"\ufeff# who\r\n\r\n  kitchen:{KITCHEN}  \r\n\t# {WEB}\nweb:{WEB}".encode())
    store = TokenStore()
    await load(store, file)
    assert store.required
    assert len(store) == 2
    assert name_of(store.find(KITCHEN)) == "kitchen"
    assert name_of(store.find(WEB)) == "web"


@pytest.mark.parametrize(
    "text", ["", KITCHEN[:-1], KITCHEN + "0", KITCHEN.upper(), f"kitchen:{KITCHEN}", "\udcff", "عربي"]
)
async def test_nothing_else_is_found(file: Path, text: str) -> None:
    file.write_text(f"kitchen:{KITCHEN}\n")
    store = TokenStore()
    await load(store, file)
    assert store.find(text) is None


async def test_without_a_file_nobody_is_asked() -> None:
    store = TokenStore()
    await load(store, None)
    assert not store.required
    assert store.welcomes(None)
    assert store.find(KITCHEN) is None


async def test_bad_lines_are_told_by_number_and_never_with_what_stands_there(file: Path) -> None:
    file.write_text(f"{KITCHEN}\nkit chen:{KITCHEN}\n:{KITCHEN}\nshort:0123456789abcde\nbase64:abcdefghijkl+/==\n")
    expected = "not name:token, the name 1 to 64 of A-Z a-z 0-9 . _ -, the token 16 to 256 of A-Z a-z 0-9 . _ ~ -"
    found = await problems(file)
    assert found == [f"tokens, line {number}: {expected}" for number in range(1, 6)]


async def test_nothing_stands_there_twice(file: Path) -> None:
    file.write_text(f"kitchen:{KITCHEN}\n\nkitchen:{WEB}\nweb:{KITCHEN}\n")
    assert await problems(file) == [
        "tokens, line 3: this name stands in line 1 already",
        "tokens, line 4: this token stands in line 1 already",
    ]


@pytest.mark.parametrize("content", ["", "# nobody yet\n\n"])
async def test_a_file_without_tokens_is_a_mistake(file: Path, content: str) -> None:
    file.write_text(content)
    (problem,) = await problems(file)
    assert problem.startswith("tokens holds no token; a line is name:token")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644])
async def test_a_file_open_to_everybody_is_refused(file: Path, mode: int) -> None:
    file.write_text(f"kitchen:{KITCHEN}\n")
    file.chmod(mode)
    words = f"tokens is open to every user of the machine (mode {mode:o}): chmod o= tokens"
    assert await problems(file) == [words]


async def test_a_group_may_read_it(file: Path) -> None:
    file.write_text(f"kitchen:{KITCHEN}\n")
    file.chmod(0o640)
    await load(TokenStore(), file)


async def test_a_file_that_cannot_be_read(file: Path) -> None:
    file.write_bytes(b"kitchen:\xff\n")
    assert await problems(file) == ["tokens: not UTF-8 at byte 8"]
    file.write_bytes(b"#" * (tokens.MAX_FILE_BYTES + 1))
    assert await problems(file) == [f"tokens is larger than {tokens.MAX_FILE_BYTES} bytes"]
    file.unlink()
    assert await problems(file) == ["tokens: can't be read: No such file or directory"]
    file.mkdir()
    assert await problems(file) == ["tokens: can't be read: Is a directory"]


async def test_a_reload_that_fails_leaves_the_tokens_in_force(file: Path) -> None:
    file.write_text(f"kitchen:{KITCHEN}\n")
    store = TokenStore()
    await load(store, file)
    file.write_text("rubbish\n")
    with pytest.raises(ConfigError):
        await load(store, file)
    assert name_of(store.find(KITCHEN)) == "kitchen"


async def test_a_reload_takes_effect_when_it_is_committed(file: Path) -> None:
    file.write_text(f"kitchen:{KITCHEN}\n")
    store = TokenStore()
    await load(store, file)
    old = store.find(KITCHEN)
    file.write_text(f"kitchen:{WEB}\n")
    put_in_force = await store.prepare(with_changes(Config(), "server", auth_token_file=str(file)))
    assert store.welcomes(old)
    put_in_force()
    assert not store.welcomes(old), "a new token of an old name is another token"
    assert store.find(KITCHEN) is None
    assert store.welcomes(store.find(WEB))


async def test_a_token_is_good_until_it_is_revoked(file: Path) -> None:
    file.write_text(f"kitchen:{KITCHEN}\nweb:{WEB}\n")
    store = TokenStore()
    assert store.welcomes(None)
    await load(store, file)
    assert not store.welcomes(None)
    kitchen, web = store.find(KITCHEN), store.find(WEB)
    file.write_text(f"web:{WEB}\n")
    await load(store, file)
    assert not store.welcomes(kitchen)
    assert store.welcomes(web)
    await load(store, None)
    assert store.welcomes(web), "where nobody is asked for a token, none is wrong"


async def test_who_waits_is_told_when_other_tokens_are_in_force(file: Path) -> None:
    file.write_text(f"kitchen:{KITCHEN}\n")
    store = TokenStore()
    for _ in range(2):
        waiting = asyncio.create_task(store.replaced())
        await asyncio.sleep(0)
        assert not waiting.done()
        await load(store, file)
        await waiting


async def test_ten_thousand_tokens_cost_as_much_as_one(file: Path) -> None:
    file.write_text("".join(f"client-{n}:{n:0>32}\n" for n in range(10_000)))
    store = TokenStore()
    await load(store, file)
    assert len(store) == 10_000
    assert name_of(store.find(f"{9999:0>32}")) == "client-9999"
    steps = inspect.getsource(TokenStore.find)
    assert "for " not in steps
    assert "while " not in steps


async def test_what_is_kept_and_compared_are_digests_under_a_secret_key(file: Path) -> None:
    file.write_text(f"kitchen:{KITCHEN}\n")
    stores = TokenStore(), TokenStore()
    digests = []
    for store in stores:
        await load(store, file)
        token = store.find(KITCHEN)
        assert token is not None
        digests.append(token.digest)
        assert KITCHEN not in repr(vars(store))
    assert digests[0] != digests[1], "whoever could compute a digest could time how much of it is right"
