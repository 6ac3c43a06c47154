import pytest

from simplevoice.caller import Token
from simplevoice.server.admission import tickets
from simplevoice.server.admission.tickets import LIFETIME_SECONDS, Tickets

KITCHEN, WEB = Token("kitchen", b"1"), Token("web", b"2")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def issue(made: Tickets, token: Token | None = KITCHEN) -> str:
    ticket = made.issue(token)
    assert ticket is not None
    return ticket


def test_a_ticket_is_good_once() -> None:
    made = Tickets()
    ticket = issue(made)
    assert made.redeem(ticket) is KITCHEN
    assert made.redeem(ticket) is None
    assert made.redeem("made-up") is None


def test_a_ticket_is_good_for_a_minute() -> None:
    clock = Clock()
    made = Tickets(clock)
    late, later = issue(made), issue(made)
    clock.now = LIFETIME_SECONDS - 0.001
    assert made.redeem(late) is KITCHEN
    clock.now = LIFETIME_SECONDS
    assert made.redeem(later) is None
    assert len(made) == 0


def test_a_ticket_of_a_daemon_that_asks_for_no_token_stands_for_none() -> None:
    made = Tickets()
    assert made.redeem(issue(made, None)) is None


def test_tickets_cannot_be_guessed() -> None:
    made = Tickets()
    found = {issue(made) for _ in range(100)}
    assert len(found) == 100
    assert {len(ticket) for ticket in found} == {43}, "32 random bytes in base64"


def test_outstanding_tickets_are_bounded_in_all_and_for_one_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "MAX_TICKETS", 20)
    clock = Clock()
    made = Tickets(clock)
    for number in range(10):
        token = Token(str(number), b"")
        first, _ = issue(made, token), issue(made, token)
    assert made.issue(token) is None
    assert made.issue(WEB) is None
    made.redeem(first)
    issue(made, WEB)
    assert made.issue(WEB) is None
    clock.now = LIFETIME_SECONDS
    issue(made, WEB)
    assert len(made) == 1
