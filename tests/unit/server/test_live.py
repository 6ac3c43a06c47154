import pytest

from simplevoice.config import Config
from simplevoice.errors import SimpleVoiceError
from simplevoice.server.live import Commit, Live
from tests.fakes.client import with_changes

BEFORE = Config()
AFTER = with_changes(BEFORE, "limits", max_connections=3)


async def test_every_part_is_prepared_before_one_commits() -> None:
    live, seen = Live(BEFORE), list[str]()

    async def prepare(config: Config) -> Commit:
        assert config is AFTER
        assert live.config is BEFORE
        seen.append("prepared")
        return lambda: seen.append("committed")

    live.parts += [prepare, prepare]
    await live.replace(AFTER)
    assert seen == ["prepared", "prepared", "committed", "committed"]
    assert live.config is AFTER


async def test_one_part_that_refuses_changes_nothing() -> None:
    live, committed = Live(BEFORE), list[Config]()

    async def willing(config: Config) -> Commit:
        return lambda: committed.append(config)

    async def unwilling(config: Config) -> Commit:
        raise SimpleVoiceError("no")

    live.parts += [willing, unwilling]
    with pytest.raises(SimpleVoiceError, match="no"):
        await live.replace(AFTER)
    assert live.config is BEFORE
    assert committed == []
