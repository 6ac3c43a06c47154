"""A language model that answers with what nobody can say, or with more than anybody wants to hear."""

from collections.abc import AsyncIterator

import pytest

from simplevoice.errors import ErrorCode
from simplevoice.speech import sentences
from tests.faults.daemon import TYPED, World, daemon, world
from tests.leftovers import nothing_left

__all__ = ["nothing_left"]


@pytest.fixture
async def servers() -> AsyncIterator[World]:
    async with world() as servers:
        yield servers


@pytest.mark.parametrize(
    "reply",
    [
        "   \n\t ",
        "🙂🎉 👍🏽",
        "***\n---\n```\n```",
        "<br/><hr/>",
        "https://example.org/x",
        "…?!",
        "\u200b\u202e",
        "x" * 600,
    ],
    ids=["blanks", "emoji", "markup", "tags", "an address", "marks", "the invisible", "one endless word"],
)
async def test_what_cannot_be_said_is_no_reply(servers: World, reply: str) -> None:
    async with daemon(servers.config()) as house, house.line("ar") as line:
        good, servers.llm.reply = servers.llm.reply, [reply[start : start + 7] for start in range(0, len(reply), 7)]
        await line.fails(TYPED, ErrorCode.REPLY_FAILED)
        servers.llm.reply = good
        await line.answers(TYPED)


async def test_a_long_run_without_a_mark_is_spoken_in_pieces(servers: World) -> None:
    words = "and on it goes without a mark " * 20
    async with daemon(servers.config()) as house, house.line() as line:
        servers.llm.reply = [words]
        answer = await line.answers(TYPED)
        assert answer.response_text == words.strip()
        pieces = [spoken.text for spoken in servers.edge.spoken]
        assert len(pieces) > 2
        assert max(map(len, pieces)) <= sentences.WINDOW
