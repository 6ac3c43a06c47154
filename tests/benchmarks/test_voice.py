"""Both benches with made-up talks: talking takes real time, of which test_talking spends enough."""

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from matplotlib.figure import Figure

from simplevoice.cli.latency import TurnFigures
from tests.benchmarks import peer, voice
from tests.benchmarks.peers.pipecat_agent import PeerMissingError
from tests.benchmarks.places import Place
from tests.benchmarks.talking import Side, Talk
from tests.benchmarks.waits import details

OURS, STOCK, DEFAULT, TUNED = range(1, 5)
"""As process numbers; their waits are so many times 500 ms."""
Talker = Callable[[Side, int, Sequence[Any]], Any]


def turn(outcome: str, wait: float) -> TurnFigures:
    answer = wait if outcome == "answered" else None
    return TurnFigures(clip="a", client=0, outcome=outcome, splits=0, answer_ms=answer, lag_ms=0)  # type: ignore[arg-type]


def running(number: int) -> Any:
    @asynccontextmanager
    async def run(*program: str, **settings: object) -> AsyncIterator[Side]:
        yield Side("", STOCK if program and number == OURS else number, _nobody)

    return run


def _nobody() -> Any:
    raise AssertionError("nobody talks in these tests")


@pytest.fixture(autouse=True)
def talks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Gives who was talked to by how many."""
    order: list[tuple[int, int]] = []

    async def talk(side: Side, talkers: int, clips: Sequence[Any]) -> Talk:
        order.append((side.pid, talkers))
        lost = int(side.pid == OURS and talkers == 2)
        turns = [turn("failed", 0)] * lost + [turn("answered", side.pid * 500)] * (talkers - lost)
        return Talk(talkers, turns, lost, cpu_seconds=float(side.pid))

    for module in (voice, peer):
        monkeypatch.setattr(module, "talk", talk)
        monkeypatch.setattr(module, "daemon", running(OURS))
    monkeypatch.setattr(peer, "agent", lambda turn, **_: running(DEFAULT if turn == "default" else TUNED)())
    monkeypatch.setattr(peer, "peak_mib", lambda pid: pid * 100.0)
    monkeypatch.setattr(peer, "prepare", _prepared)
    return order


async def _prepared() -> None:
    return


async def test_voice(talks: list[tuple[int, int]], no_gpu: None) -> None:
    result = await voice.run(crowds=(4,))
    assert talks == [(OURS, 1), (STOCK, 1), (STOCK, 1), (OURS, 1), (OURS, 4)]
    assert [(row.what, row.ratio) for row in result.rows] == [("1 talking", 0.5)]
    assert [(check.found, check.met) for check in result.checks] == [("4 of 4", True), ("500 ms", True)]
    assert "skipped: no CUDA device was found" in result.table()
    assert result.draw
    result.draw(Figure())


async def test_a_gpu_has_rows_of_its_own(
    talks: list[tuple[int, int]], cuda: list[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, ...]] = []

    def daemon(*program: str, **settings: str) -> Any:
        started.append((*program, settings["stt_device"], settings["stt_model"]))
        return running(OURS)(*program)

    monkeypatch.setattr(voice, "daemon", daemon)
    result = await voice.run(rounds=1, crowds=(2, 4))
    stock = "tests.benchmarks.stock_server"
    assert sorted(started) == sorted(
        side for place in cuda for side in [(place.device, place.model), (stock, place.device, place.model)]
    )
    alone = [(OURS, 1), (STOCK, 1)]
    assert talks == [*alone, (OURS, 2), (OURS, 4), *[*alone, (OURS, 4)] * 2]
    assert [row.what for row in result.rows] == [
        "1 talking",
        "1 talking, base on CUDA",
        "1 talking, large-v3-turbo on CUDA",
    ]
    assert [check.what for check in result.checks[2:4]] == [
        "4 talking, base on CUDA: all answered",
        "4 talking, base on CUDA: median under 2,000 ms",
    ]
    assert "| nothing ahead, stock transcriber, large-v3-turbo on CUDA |" in result.details
    assert not result.skipped
    assert result.draw
    result.draw(Figure())


async def test_who_is_not_answered_in_a_crowd_is_told(no_gpu: None) -> None:
    result = await voice.run(crowds=(2,))
    assert [(check.found, check.met) for check in result.checks] == [("1 of 2", False), ("500 ms", True)]
    assert not result.met


async def test_where_nobody_is_answered_the_wait_has_no_end() -> None:
    nobody = Talk(2, [turn("failed", 0)] * 2, 2, 0.0)
    assert voice.waits([nobody]) == [math.inf]
    assert [(check.found, check.met) for check in voice.checks(nobody)] == [("0 of 2", False), ("inf ms", False)]
    assert "0 of 2" in details({"ours": [nobody]})


async def test_peer(talks: list[tuple[int, int]]) -> None:
    result = await peer.run(rounds=1, crowd=3)
    assert talks == [(OURS, 1), (DEFAULT, 1), (TUNED, 1), (OURS, 3), (DEFAULT, 3)]
    third = pytest.approx(1 / 3)
    assert [row.ratio for row in result.rows] == [third, 0.25, third, third, third, third]
    assert [check.met for check in result.checks] == [True]
    assert result.draw
    result.draw(Figure())


async def test_without_the_peer_its_rows_are_skipped_and_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    async def prepare() -> None:
        raise PeerMissingError("no network")

    monkeypatch.setattr(peer, "prepare", prepare)
    result = await peer.run()
    assert "skipped: no network" in result.table()
    assert not result.met
