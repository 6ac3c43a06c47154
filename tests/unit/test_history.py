from simplevoice.config import LimitsConfig
from simplevoice.history import History, SessionStore


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def visit(store: SessionStore, session_id: str, *words: str) -> History:
    """Open a conversation, say something, and leave."""
    history = store.open(session_id)
    for word in words:
        history.add(word, word)
    store.leave(session_id)
    return history


def test_forgets_the_oldest_turn_when_there_are_too_many() -> None:
    history = History(max_turns=2)
    for n in range(3):
        history.add(f"question {n}", f"answer {n}")
    assert [(e.user, e.assistant) for e in history.exchanges] == [
        ("question 1", "answer 1"),
        ("question 2", "answer 2"),
    ]


def test_an_interruption_shortens_what_is_remembered() -> None:
    history = History(max_turns=2)
    exchange = history.add("tell me", "a long story")
    exchange.assistant = "a long"
    assert history.exchanges[0].assistant == "a long"


def test_remembers_nothing_when_told_to() -> None:
    history = History(max_turns=0)
    history.add("a", "b")
    assert history.exchanges == ()


def test_a_session_goes_on_where_it_was() -> None:
    store = SessionStore(LimitsConfig())
    visit(store, "s", "my name is Omar")
    assert store.open("s").exchanges[0].user == "my name is Omar"
    assert store.open("other").exchanges == ()


def test_clear_forgets() -> None:
    history = History(3)
    history.add("a", "b")
    history.clear()
    assert history.exchanges == ()


def test_who_left_first_is_forgotten_first() -> None:
    store = SessionStore(LimitsConfig(sessions=2))
    for name in ("a", "b", "a", "c"):
        visit(store, name, "hello")
    assert len(store) == 2
    assert [len(visit(store, name).exchanges) for name in ("a", "c")] == [2, 1]
    assert not visit(store, "b").exchanges


def test_a_session_is_forgotten_when_nobody_comes_back_for_long() -> None:
    clock = Clock()
    store = SessionStore(LimitsConfig(session_idle_seconds=10), clock)
    visit(store, "a", "hello")
    clock.now = 9.0
    assert visit(store, "a").exchanges
    clock.now = 18.0
    assert visit(store, "a").exchanges
    clock.now = 28.0
    assert not visit(store, "a").exchanges


def test_a_session_is_not_forgotten_while_a_connection_has_it_open() -> None:
    clock = Clock()
    store = SessionStore(LimitsConfig(session_idle_seconds=10, sessions=1), clock)
    history = store.open("long")
    assert store.open("long") is history
    store.leave("long")
    clock.now = 1000.0
    for name in ("b", "c"):
        visit(store, name)
    assert store.open("long") is history
    store.leave("long")
    store.leave("long")
    clock.now = 1009.0
    assert visit(store, "long") is history, "the time counts from when the last one left"


def test_what_is_given_up_is_not_gone_on_with() -> None:
    history = History(5)
    history.add("What", "").goes_on = True
    history.add("time is it?", "Noon.")
    history.add("And", "").goes_on = True
    history.add("now?", "").goes_on = True
    history.give_up()
    assert [exchange.goes_on for exchange in history.exchanges] == [True, False, False, False]
