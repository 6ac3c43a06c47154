from simplevoice.engines.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def state(breaker: Breaker) -> str:
    """Read it anew each time: mypy takes a property for a constant."""
    return breaker.state


def test_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(3, 30, Clock())
    breaker.fail()
    breaker.fail()
    assert state(breaker) == "closed"
    breaker.fail()
    assert state(breaker) == "open"


def test_a_success_between_starts_the_count_again() -> None:
    breaker = Breaker(2, 30, Clock())
    breaker.fail()
    breaker.succeed()
    breaker.fail()
    assert state(breaker) == "closed"


def test_a_probe_is_due_after_the_time() -> None:
    clock = Clock()
    breaker = Breaker(1, 30, clock)
    assert breaker.probe_in == 0
    breaker.fail()
    clock.now += 10
    assert breaker.probe_in == 20
    clock.now += 50
    assert breaker.probe_in == 0
    assert state(breaker) == "open"


def test_failures_while_open_do_not_put_the_probe_off() -> None:
    clock = Clock()
    breaker = Breaker(1, 30, clock)
    breaker.fail()
    clock.now += 10
    breaker.fail()
    assert breaker.probe_in == 20


def test_a_probe_that_succeeds_closes() -> None:
    breaker = Breaker(1, 30, Clock())
    breaker.fail()
    breaker.probe()
    assert state(breaker) == "half_open"
    assert breaker.probe_in == 0
    breaker.succeed()
    assert state(breaker) == "closed"


def test_a_probe_that_fails_opens_for_the_whole_time_again() -> None:
    clock = Clock()
    breaker = Breaker(3, 30, clock)
    for _ in range(3):
        breaker.fail()
    clock.now += 30
    breaker.probe()
    breaker.fail()
    assert state(breaker) == "open"
    assert breaker.probe_in == 30


def test_the_count_is_forgotten_when_it_closes() -> None:
    breaker = Breaker(2, 30, Clock())
    breaker.fail()
    breaker.fail()
    breaker.probe()
    breaker.succeed()
    breaker.fail()
    assert state(breaker) == "closed"


def test_a_closed_one_has_nothing_to_probe() -> None:
    breaker = Breaker(1, 30, Clock())
    breaker.probe()
    assert state(breaker) == "closed"


def test_it_can_be_opened_at_once() -> None:
    clock = Clock()
    breaker = Breaker(3, 30, clock)
    breaker.open()
    assert state(breaker) == "open"
    assert breaker.probe_in == 30
