"""Turn detection on the recordings, with the real Silero, Smart Turn and Whisper."""

import pytest

from simplevoice.cli.turn_bench import measure
from simplevoice.config import Config
from tests.media import DATA

pytestmark = pytest.mark.models


async def test_recordings_stay_one_turn_and_none_waits_longer_than_the_bound() -> None:
    reports = await measure(Config(), DATA, ["all"], "en")
    outcomes = {outcome.clip: outcome for outcome in reports["all"].clips}
    noise = outcomes.pop("noise-washing-machine.wav")
    assert noise.wait_ms is None
    assert len(outcomes) == 6
    for outcome in outcomes.values():
        assert outcome.splits_ms == [], outcome.clip
        assert outcome.wait_ms is not None, outcome.clip
        assert 250 < outcome.wait_ms <= 1200, outcome.clip
