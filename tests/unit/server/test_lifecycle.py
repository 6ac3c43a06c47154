from simplevoice.server.lifecycle import Lifecycle


def test_begins_with_starting_and_knows_its_age() -> None:
    lifecycle = Lifecycle()
    assert lifecycle.phase == "starting"
    first = lifecycle.uptime_seconds
    assert 0 <= first <= lifecycle.uptime_seconds < 60
