import pytest

from simplevoice.errors import ErrorCode
from simplevoice.protocol import AudioChunk, ErrorMessage, Pong
from tests.races.scene import Clock
from tests.reliability import story
from tests.reliability.story import Entry, Story


def test_it_is_told_in_the_order_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(story, "time", clock)
    told = Story()
    told.note("asks by text")
    for seq in range(3):
        clock.now += 1.25
        told.heard(AudioChunk(turn_id="t", seq=seq, format="mp3", sample_rate=24_000, size=0))
    told.heard(Pong())
    clock.now += 20
    told.heard(ErrorMessage(turn_id="t", error_code=ErrorCode.TURN_TIMEOUT, message="", retry_suggested=True))
    assert told.told(Entry(999.0, "language model: slow"), Entry(1002.0, "speech service: works")) == [
        "  -1.0 s  language model: slow",
        "   0.0 s  asks by text",
        "   1.2 s  audio_chunk t, 3 times until 3.8 s",
        "   2.0 s  speech service: works",
        "   3.8 s  pong",
        "  23.8 s  error t TURN_TIMEOUT",
    ]
