import pytest

from simplevoice.conversation.playback import Playback
from simplevoice.conversation.recollection import Recollection
from simplevoice.history import History
from simplevoice.protocol import InterruptReason
from tests.races.scene import Clock


class Reply:
    """A reply of two pieces, a second each, to somebody who asked for the time."""

    def __init__(self, said: str = "what time is it", *, sounds: bool = True) -> None:
        self.clock = Clock()
        self.history = History(5)
        playback = Playback(self.clock.monotonic)
        self.recollection = Recollection(self.history, playback)
        self.recollection.said = said
        if sounds:
            self.recollection.pieces += ["It is noon.", "Time to eat."]
            playback.begin()
            for piece in range(2):
                playback.add(piece, 1000.0)

    @property
    def remembered(self) -> list[tuple[str, str, bool]]:
        return [(exchange.user, exchange.assistant, exchange.goes_on) for exchange in self.history.exchanges]


def test_an_answer_is_held_until_an_interruption_shortens_it() -> None:
    reply = Reply()
    reply.recollection.answered("It is noon. Time to eat.")
    assert reply.remembered == [("what time is it", "It is noon. Time to eat.", False)]
    reply.clock.now += 1.0
    assert reply.recollection.interrupted("speech", None) == "It is noon."
    assert reply.remembered == [("what time is it", "It is noon.", False)]


@pytest.mark.parametrize(
    ("told_first", "then", "held"),
    [(None, 2000.0, "It is noon. Time to eat."), (None, 0.0, ""), (1000.0, 2000.0, "It is noon.")],
)
def test_what_the_client_tells_corrects_an_estimate_and_nothing_else(
    told_first: float | None, then: float, held: str
) -> None:
    reply = Reply()
    reply.clock.now += 1.0
    assert reply.recollection.interrupted("client", told_first) == "It is noon."
    reply.recollection.correct(then)
    assert reply.remembered == [("what time is it", held, False)]


@pytest.mark.parametrize(
    ("reason", "goes_on"), [("speech", True), ("client", False), ("replaced", False), (None, False)]
)
def test_who_speaks_on_before_anything_was_heard_goes_on(reason: InterruptReason | None, goes_on: bool) -> None:
    reply = Reply(sounds=False)
    assert reply.recollection.interrupted(reason, None) == ""
    assert reply.remembered == [("what time is it", "", goes_on)]


def test_who_turns_out_to_have_heard_something_does_not_go_on() -> None:
    reply = Reply()
    reply.recollection.interrupted("speech", None)
    assert reply.remembered == [("what time is it", "", True)]
    reply.recollection.correct(1000.0)
    assert reply.remembered == [("what time is it", "It is noon.", False)]


def test_before_it_is_known_what_was_said_there_is_nothing_to_hold() -> None:
    reply = Reply("", sounds=False)
    reply.recollection.interrupted("speech", None)
    reply.recollection.correct(1000.0)
    assert reply.remembered == []


def test_of_a_failure_what_was_sent_is_held() -> None:
    reply = Reply()
    reply.recollection.failed()
    assert reply.remembered == [("what time is it", "It is noon. Time to eat.", False)]


def test_what_failed_before_its_first_sound_is_given_up_with_what_it_went_on_with() -> None:
    reply = Reply(sounds=False)
    reply.history.add("And", "").goes_on = True
    reply.recollection.failed()
    assert reply.remembered == [("And", "", False)]


def test_what_is_forgotten_is_not_held_whatever_comes_of_it() -> None:
    reply = Reply()
    reply.recollection.forget()
    reply.recollection.answered("It is noon.")
    reply.recollection.interrupted("speech", 500.0)
    assert reply.remembered == []
    assert reply.recollection.words == ("what time is it", "It is noon. Time to eat.")
