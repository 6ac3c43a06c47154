from contextlib import ExitStack

import pytest

from simplevoice.config import LimitsConfig
from simplevoice.server.admission.places import NoPlaceError, Places, Visitor

ONE = LimitsConfig(max_connections=1)


def visitor(connection_id: str = "c", token: str | None = None, session_id: str = "s") -> Visitor:
    return Visitor(token, connection_id, session_id)


def test_a_place_is_free_again_behind_with() -> None:
    places = Places()
    with places.take(visitor("a"), "192.0.2.1", ONE):
        assert len(places) == 1
        with pytest.raises(NoPlaceError) as full:
            places.take(visitor("b"), "192.0.2.1", ONE)
        assert full.value.scope == "server"
    with pytest.raises(RuntimeError), places.take(visitor("b"), "192.0.2.1", ONE):
        raise RuntimeError
    assert len(places) == 0
    assert not any(vars(places).values()), "something is remembered of those who left"


@pytest.mark.parametrize(
    ("limits", "scope"),
    [
        (LimitsConfig(connections_per_address=2), "address"),
        (LimitsConfig(connections_per_token=2), "token"),
        (LimitsConfig(max_connections=2, connections_per_address=2, connections_per_token=2), "server"),
    ],
)
def test_each_bound_counts_its_own(limits: LimitsConfig, scope: str) -> None:
    places = Places()
    with ExitStack() as held:
        for name in "ab":
            held.enter_context(places.take(visitor(name, "kitchen"), "192.0.2.1", limits))
        with pytest.raises(NoPlaceError) as full:
            places.take(visitor("c", "kitchen"), "192.0.2.1", limits)
        assert full.value.scope == scope
        if scope != "server":
            held.enter_context(places.take(visitor("c", "web"), "192.0.2.2", limits))


def test_who_needs_no_token_has_no_bound_of_a_token() -> None:
    places = Places()
    limits = LimitsConfig(connections_per_token=1)
    with places.take(visitor("a"), "192.0.2.1", limits), places.take(visitor("b"), "192.0.2.1", limits):
        assert len(places) == 2


def test_who_comes_back_shares_the_old_place_when_there_is_no_other() -> None:
    places = Places()
    old = places.take(visitor(), "192.0.2.1", ONE)
    new = places.take(visitor(), "192.0.2.1", ONE)
    assert len(places) == 1
    with pytest.raises(NoPlaceError):
        places.take(visitor(), "192.0.2.1", ONE)
    with new:
        with old:
            pass
        assert len(places) == 1, "the place goes with the last of the two"
        again = places.take(visitor(), "192.0.2.1", ONE)
    with again:
        assert len(places) == 1
    assert len(places) == 0


@pytest.mark.parametrize(
    "other", [visitor("other"), visitor(session_id="other"), visitor(token="web"), visitor(token=None)]
)
def test_nobody_else_shares_it(other: Visitor) -> None:
    places = Places()
    with places.take(visitor(token="kitchen"), "192.0.2.1", ONE), pytest.raises(NoPlaceError):
        places.take(other, "192.0.2.1", ONE)


def test_connections_that_name_themselves_nothing_are_not_the_same() -> None:
    places = Places()
    with places.take(visitor(""), "192.0.2.1", ONE), pytest.raises(NoPlaceError):
        places.take(visitor(""), "192.0.2.1", ONE)


def test_an_older_place_that_is_left_does_not_hide_the_newer() -> None:
    places = Places()
    two = LimitsConfig(max_connections=2)
    old = places.take(visitor(), "192.0.2.1", two)
    with places.take(visitor(), "192.0.2.1", two) as new:
        with old:
            pass
        with places.take(visitor(), "192.0.2.1", ONE) as shared:
            assert shared is new
