"""Turn detection measured with the real small models; recognizers are fakes."""

import numpy as np
import pytest

from simplevoice.cli.clips import Clip
from simplevoice.cli.turn_bench import (
    RULES,
    Outcome,
    Report,
    Summary,
    Witnesses,
    play,
    show,
    sound_end_ms,
    summarize,
)
from simplevoice.config import ModelsConfig, TurnsConfig
from simplevoice.errors import TranscriptionError
from simplevoice.models.store import ModelStore
from simplevoice.speech.vad import VoiceActivityModel
from tests.fakes.engines import FakeTranscriber
from tests.media import recording, segment, tone

CONFIG = TurnsConfig()


@pytest.fixture(scope="module")
def voice() -> VoiceActivityModel:
    return VoiceActivityModel(ModelStore(ModelsConfig()).path("silero-vad") / "silero_vad.onnx")


def clip(name: str, pause_ms: int = 0, then: str | None = None) -> Clip:
    audio = recording(name).set_frame_rate(16_000)
    if then:
        audio += segment(np.zeros(pause_ms * 16)) + recording(then).set_frame_rate(16_000)
    return Clip(name, "en", audio.raw_data)


@pytest.mark.models
async def test_plain_silence_splits_at_a_long_pause(voice: VoiceActivityModel) -> None:
    two = clip("en-LJ042-0094.wav", 900, "en-LJ011-0202.wav")
    outcome = await play(two, RULES["silence"], CONFIG, voice, Witnesses(None, None))
    assert len(outcome.splits_ms) == 1
    assert outcome.splits_ms[0] == pytest.approx(3450, abs=100)
    assert outcome.reason == "silence"
    assert outcome.wait_ms is not None
    assert 500 < outcome.wait_ms < 650


@pytest.mark.models
async def test_words_that_go_on_keep_the_turn_together(voice: VoiceActivityModel) -> None:
    two = clip("en-LJ042-0094.wav", 800, "en-LJ011-0202.wav")
    outcome = await play(two, RULES["transcript"], CONFIG, voice, Witnesses(FakeTranscriber("and"), None))
    assert outcome.splits_ms == []
    assert outcome.reason == "bound"
    assert outcome.wait_ms is not None
    assert 1050 < outcome.wait_ms <= 1200


@pytest.mark.models
async def test_a_question_is_over_at_once(voice: VoiceActivityModel) -> None:
    transcriber = FakeTranscriber("What time is it?")
    outcome = await play(clip("en-LJ042-0094.wav"), RULES["transcript"], CONFIG, voice, Witnesses(transcriber, None))
    assert outcome.reason == "finished"
    assert outcome.wait_ms is not None
    assert outcome.wait_ms < 450
    assert len(transcriber.received) == 1


@pytest.mark.models
async def test_the_same_sound_is_asked_about_once(voice: VoiceActivityModel) -> None:
    transcriber = FakeTranscriber("It is late.")
    witnesses = Witnesses(transcriber, None)
    for rule in ("transcript", "all"):
        await play(clip("en-LJ042-0094.wav"), RULES[rule], CONFIG, voice, witnesses)
    assert len(transcriber.received) == 1


@pytest.mark.models
async def test_a_recognizer_that_fails_leaves_it_to_silence(voice: VoiceActivityModel) -> None:
    transcriber = FakeTranscriber()
    transcriber.error = TranscriptionError("no")
    outcome = await play(clip("en-LJ042-0094.wav"), RULES["transcript"], CONFIG, voice, Witnesses(transcriber, None))
    assert outcome.reason == "silence"


@pytest.mark.models
async def test_noise_is_no_turn(voice: VoiceActivityModel) -> None:
    outcome = await play(clip("noise-washing-machine.wav"), RULES["silence"], CONFIG, voice, Witnesses(None, None))
    assert outcome == Outcome("noise-washing-machine.wav", [], None, None)


def test_the_last_sound_is_the_last_that_is_loud() -> None:
    quiet = tone(500).apply_gain(-50)
    assert sound_end_ms((tone(300) + quiet).raw_data) == 300
    assert sound_end_ms((tone(300) + quiet.apply_gain(20)).raw_data) == 800


def test_waits_and_splits_are_summed_up() -> None:
    outcomes = [Outcome(str(ms), [], ms, "silence") for ms in range(100, 1100, 100)]
    outcomes += [Outcome("split", [700, 900], 1100, "bound"), Outcome("missed", [], None, None)]
    assert summarize(outcomes) == Summary(
        clips=12, missed=1, split=1, extra_turns=2, median_ms=600, p90_ms=1000, max_ms=1100
    )
    assert summarize(outcomes[-1:]).median_ms is None


def test_the_table_names_splits_and_missed_turns(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [Outcome("a.wav", [700], 520, "silence"), Outcome("b.wav", [], None, None)]
    show({"silence": Report(summarize(outcomes), outcomes)})
    printed = capsys.readouterr().out
    assert "520 silence +split@700" in printed
    assert "no turn" in printed
    assert printed.splitlines()[-1].split() == ["silence", "2", "1", "1", "1", "520", "520", "520"]
