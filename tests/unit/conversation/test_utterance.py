import pytest
from pydub import AudioSegment

from simplevoice.config import LimitsConfig
from simplevoice.conversation.utterance import SPEECH_MARGIN_MS, Recording, cut_to_speech
from simplevoice.errors import AudioError, ErrorCode
from simplevoice.speech.vad import SpeechSpan
from tests.fakes.engines import FakeVoiceActivity
from tests.unit.conversation.test_pipeline import wav


class Spans(FakeVoiceActivity):
    """Finds speech where it is told to."""

    def __init__(self, *spans: tuple[int, int]) -> None:
        super().__init__()
        self._spans = spans

    def speech_spans(
        self, audio: AudioSegment, *, threshold: float = 0.5, min_speech_ms: int = 96, min_silence_ms: int = 160
    ) -> list[SpeechSpan]:
        return [SpeechSpan(start, end) for start, end in self._spans]


def test_a_recording_is_read() -> None:
    assert len(Recording(wav(1.5), "wav").decode(LimitsConfig())) == 1500


@pytest.mark.parametrize(
    ("recording", "code"),
    [
        (Recording(bytes(2000)), ErrorCode.AUDIO_TOO_LARGE),  # nothing looks into it
        (Recording(wav(0.05), "mp3"), ErrorCode.AUDIO_FORMAT_MISMATCH),
        (Recording(wav(0.06)), ErrorCode.AUDIO_TOO_LARGE),
        (Recording(wav(0.05, rate=8_000)), ErrorCode.AUDIO_TOO_LONG),
    ],
)
def test_what_is_over_a_bound_or_no_recording_is_refused(recording: Recording, code: ErrorCode) -> None:
    with pytest.raises(AudioError) as refusal:
        recording.decode(LimitsConfig(max_audio_bytes=1700, max_audio_seconds=0.04))
    assert refusal.value.code is code


def test_what_is_before_and_behind_the_speech_is_left_away() -> None:
    audio = AudioSegment.silent(5000, frame_rate=16_000)
    speech = cut_to_speech(audio, Spans((1000, 1500), (2000, 3000)))
    assert speech is not None
    assert len(speech) == 2000 + 2 * SPEECH_MARGIN_MS


def test_there_is_no_margin_beyond_the_ends() -> None:
    audio = AudioSegment.silent(1000, frame_rate=16_000)
    speech = cut_to_speech(audio, Spans((100, 900)))
    assert speech is not None
    assert len(speech) == 1000


def test_there_may_be_no_speech() -> None:
    assert cut_to_speech(AudioSegment.silent(1000, frame_rate=16_000), Spans()) is None
