from simplevoice.config import LimitsConfig
from simplevoice.history import History, SessionStore


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


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
    store.open("s").add("my name is Omar", "hello Omar")
    assert store.open("s").exchanges[0].user == "my name is Omar"
    assert store.open("other").exchanges == ()


def test_clear_forgets() -> None:
    history = History(3)
    history.add("a", "b")
    history.clear()
    assert history.exchanges == ()


def test_the_least_recently_used_session_goes_first() -> None:
    store = SessionStore(LimitsConfig(sessions=2))
    store.open("a").add("a", "a")
    store.open("b").add("b", "b")
    store.open("a")
    store.open("c")
    assert len(store) == 2
    assert store.open("a").exchanges
    assert not store.open("b").exchanges


def test_an_unused_session_is_forgotten() -> None:
    clock = Clock()
    store = SessionStore(LimitsConfig(session_idle_seconds=10), clock)
    store.open("a").add("a", "a")
    clock.now = 9.0
    assert store.open("a").exchanges
    clock.now = 18.0
    assert store.open("a").exchanges
    clock.now = 28.0
    assert not store.open("a").exchanges


def test_what_is_given_up_is_not_gone_on_with() -> None:
    history = History(5)
    history.add("What", "").goes_on = True
    history.add("time is it?", "Noon.")
    history.add("And", "").goes_on = True
    history.add("now?", "").goes_on = True
    history.give_up()
    assert [exchange.goes_on for exchange in history.exchanges] == [True, False, False, False]
