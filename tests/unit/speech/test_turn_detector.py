"""Turns of real recordings, through the real Silero, with evidence given by hand."""

import numpy as np
import pytest
from pydub import AudioSegment

from simplevoice.config import EndpointingConfig, ModelsConfig
from simplevoice.models.store import ModelStore
from simplevoice.speech.endpointing import SpeechResumed, SpeechStarted, TentativeEnd, TurnEnded, Verdict
from simplevoice.speech.turn_detector import FRAME_BYTES, Detection, TurnDetector
from simplevoice.speech.vad import VoiceActivityModel
from tests.media import recording

pytestmark = pytest.mark.models

MS = 32  # bytes in a millisecond
CONFIG = EndpointingConfig()


@pytest.fixture(scope="module")
def model() -> VoiceActivityModel:
    return VoiceActivityModel(ModelStore(ModelsConfig()).path("silero-vad") / "silero_vad.onnx")


def pcm(name: str) -> bytes:
    audio = recording(name).set_frame_rate(16_000).set_channels(1)
    assert isinstance(audio.raw_data, bytes)
    return audio.raw_data


def quiet(ms: int) -> bytes:
    return bytes(ms * MS)


def plain(model: VoiceActivityModel, **changes: int) -> TurnDetector:
    """Return a detector that ends turns by plain silence."""
    return TurnDetector(EndpointingConfig(**changes), model, max_seconds=60, expects_evidence=False)


def ended(detections: list[Detection]) -> list[AudioSegment]:
    return [audio for event, audio in detections if isinstance(event, TurnEnded) and audio is not None]


def loudest_in(audio: bytes) -> int:
    return int(np.abs(np.frombuffer(audio, "<i2").astype(np.int32)).max())


def test_an_utterance_keeps_its_pre_roll_and_its_tail(model: VoiceActivityModel) -> None:
    stream = quiet(1000) + pcm("en-LJ011-0202.wav") + quiet(1000)
    detections = plain(model).feed(stream)
    started, (tentative, before), (over, after) = detections[0][0], detections[-2], detections[-1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(tentative, TentativeEnd)
    assert isinstance(over, TurnEnded)
    assert before is not None
    assert after is not None
    assert before.raw_data == after.raw_data
    begin, end = started.offset_ms - 320, over.offset_ms + 64
    assert after.raw_data == stream[begin * MS : end * MS]
    assert (after.frame_rate, after.channels, after.sample_width) == (16_000, 1, 2)
    # What was cut away holds no speech.
    assert loudest_in(stream[: begin * MS]) == 0
    assert loudest_in(stream[end * MS :]) < 100 < loudest_in(stream)


def test_a_pause_is_a_tentative_end_that_is_taken_back(model: VoiceActivityModel) -> None:
    events = [event for event, _ in plain(model).feed(pcm("en-LJ011-0202.wav") + quiet(1000))]
    kinds = [SpeechStarted, TentativeEnd, SpeechResumed, TentativeEnd, TurnEnded]
    assert [type(event) for event in events] == kinds


def test_smart_turn_gets_the_silence_that_it_expects(model: VoiceActivityModel) -> None:
    for tentative_ms, missing_frames in ((160, 5), (1000, 0)):
        detector = plain(model, tentative_ms=tentative_ms, silence_ms=1000)
        detections = detector.feed(pcm("en-LJ042-0094.wav") + quiet(1500))
        [audio] = [audio for event, audio in detections if isinstance(event, TentativeEnd) and audio is not None]
        longer = detector.with_silence(audio)
        assert longer.raw_data == audio.raw_data + bytes(missing_frames * FRAME_BYTES)


@pytest.mark.parametrize("size", [1, 37, 640, 100_000])
def test_the_size_of_the_pieces_does_not_matter(model: VoiceActivityModel, size: int) -> None:
    stream = pcm("ar-no.wav") + quiet(600)
    detector = plain(model)
    detections: list[Detection] = []
    for start in range(0, len(stream), size):
        detections += detector.feed(stream[start : start + size])
    whole = plain(model).feed(stream)
    assert [event for event, _ in detections] == [event for event, _ in whole]
    assert [audio.raw_data for audio in ended(detections)] == [audio.raw_data for audio in ended(whole)]
    assert len(whole) == 3


def test_evidence_ends_the_turn_with_its_audio(model: VoiceActivityModel) -> None:
    detector = TurnDetector(CONFIG, model, max_seconds=60)
    (tentative, before) = detector.feed(pcm("en-LJ042-0094.wav") + quiet(250))[-1]
    assert isinstance(tentative, TentativeEnd)
    assert before is not None
    ((over, after),) = detector.evidence(tentative.generation, Verdict.FINISHED)
    assert isinstance(over, TurnEnded)
    assert over.generation == tentative.generation
    assert after is not None
    assert after.raw_data == before.raw_data
    assert detector.evidence(tentative.generation, Verdict.FINISHED) == []


@pytest.mark.parametrize("name", ["noise-washing-machine.wav", None])
def test_noise_and_silence_start_nothing_and_are_not_kept(model: VoiceActivityModel, name: str | None) -> None:
    detector = plain(model)
    sound = pcm(name) if name else quiet(10_000)
    for _ in range(6):
        assert detector.feed(sound) == []
        assert detector.activity.buffered_chunks <= 30
    assert not detector.activity.is_speaking
    assert len(ended(detector.feed(pcm("en-LJ042-0094.wav") + quiet(600)))) == 1


def test_two_utterances_are_two_turns_without_a_shared_sample(model: VoiceActivityModel) -> None:
    first, second = pcm("en-LJ006-0114.wav"), pcm("en-LJ042-0094.wav")
    stream = first + quiet(1000) + second + quiet(600)
    one, two = ended(plain(model, pre_roll_ms=1000).feed(stream))
    assert stream.index(one.raw_data) + len(one.raw_data) <= stream.index(two.raw_data)
    assert stream.index(two.raw_data) < len(first) + 1000 * MS, "the second keeps its pre-roll"


def test_the_longest_turn_is_cut_and_the_next_goes_on_without_a_gap(model: VoiceActivityModel) -> None:
    stream = pcm("en-LJ001-0012.wav") + quiet(1000)
    detector = TurnDetector(CONFIG, model, max_seconds=3, expects_evidence=False)
    detections = detector.feed(stream)
    reasons = [event.reason for event, _ in detections if isinstance(event, TurnEnded)]
    assert reasons == ["length"] * 3 + ["silence"]
    turns = ended(detections)
    assert all(len(audio) <= 3000 for audio in turns)
    assert b"".join(audio.raw_data for audio in turns) in stream


def test_flush_ends_the_turn_with_the_last_piece_of_a_frame(model: VoiceActivityModel) -> None:
    detector = plain(model)
    stream = pcm("en-LJ042-0094.wav")[: 2000 * MS + 100]
    detector.feed(stream)
    ((over, audio),) = detector.flush()
    assert isinstance(over, TurnEnded)
    assert over.reason == "flush"
    assert audio is not None
    assert stream.endswith(audio.raw_data.rstrip(b"\0"))
    assert detector.flush() == []


def test_a_muted_stream_keeps_its_time(model: VoiceActivityModel) -> None:
    detector = plain(model)
    assert detector.feed(pcm("en-LJ042-0094.wav"), muted=True) == []
    (started, _) = detector.feed(pcm("ar-no.wav") + quiet(600))[0]
    assert isinstance(started, SpeechStarted)
    assert started.offset_ms > len(pcm("en-LJ042-0094.wav")) // MS


def test_activity_says_what_is_heard(model: VoiceActivityModel) -> None:
    detector = plain(model)
    detector.feed(pcm("en-LJ042-0094.wav")[: 2000 * MS])
    talking = detector.activity
    assert talking.is_speaking
    assert talking.silence_duration_ms == 0
    detector.feed(quiet(3200))
    silent = detector.activity
    assert not silent.is_speaking
    assert 3000 < silent.silence_duration_ms <= 3200
    assert silent.buffered_chunks < talking.buffered_chunks


@pytest.mark.parametrize("gain", [-20, 10])
def test_the_gain_does_not_matter(model: VoiceActivityModel, gain: int) -> None:
    audio = recording("en-LJ006-0114.wav").set_frame_rate(16_000).apply_gain(gain)
    turns = ended(plain(model).feed(audio.raw_data + quiet(600)))
    assert len(turns) == 1
    assert len(turns[0]) > 5000
