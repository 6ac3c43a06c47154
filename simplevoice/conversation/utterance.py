"""What a user said, as it came, and where the speech is in it."""

import msgspec
from pydub import AudioSegment

from simplevoice.config import LimitsConfig
from simplevoice.errors import AudioError, ErrorCode
from simplevoice.speech.codec import decode
from simplevoice.speech.vad import VoiceActivityModel
from simplevoice.types import InputFormat

SPEECH_MARGIN_MS = 250
"""Kept around what voice activity detection found, so that soft beginnings and endings are not cut."""


class Recording(msgspec.Struct, frozen=True):
    """A whole utterance in a container, as a client sent it."""

    data: bytes
    declared: InputFormat | None = None

    def decode(self, limits: LimitsConfig) -> AudioSegment:
        """Give its samples: 16 kHz mono 16-bit. Blocks. Raises AudioError."""
        if len(self.data) > limits.max_audio_bytes:
            details = {"max_bytes": limits.max_audio_bytes}
            raise AudioError("the utterance is too large", code=ErrorCode.AUDIO_TOO_LARGE, details=details)
        return decode(self.data, max_seconds=limits.max_audio_seconds, declared=self.declared)


class Speech(msgspec.Struct, frozen=True):
    """A whole utterance that came as a stream: 16 kHz mono 16-bit. ``verified`` says that speech was found in it."""

    audio: AudioSegment
    verified: bool


class Typed(msgspec.Struct, frozen=True):
    """An utterance that was typed."""

    text: str


Utterance = Recording | Speech | Typed


def cut_to_speech(audio: AudioSegment, voice_activity: VoiceActivityModel) -> AudioSegment | None:
    """Leave away what is before and behind the speech; None when there is none. Blocks."""
    spans = voice_activity.speech_spans(audio)
    if not spans:
        return None
    return audio[max(0, spans[0].start_ms - SPEECH_MARGIN_MS) : spans[-1].end_ms + SPEECH_MARGIN_MS]
