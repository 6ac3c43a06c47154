"""What a client chose when it connected, and changes on the way."""

import msgspec
from msgspec import UNSET

from simplevoice.protocol import SessionUpdate
from simplevoice.types import AudioFormat, AudioTransport, Language, ResponseMode, TurnDetection, VoiceType


class Settings(msgspec.Struct, kw_only=True):
    """The settings of one connection. The upper part can change from turn to turn."""

    language: Language
    voice_type: VoiceType
    voice: str | None = None
    rate: str | None = None
    instructions: str | None = None
    turn_detection: TurnDetection
    response_mode: ResponseMode
    audio_format: AudioFormat
    audio_transport: AudioTransport

    def update(self, changes: SessionUpdate) -> None:
        """Take over the fields that are set."""
        for field in changes.__struct_fields__:
            value = getattr(changes, field)
            if value is not UNSET:
                setattr(self, field, value)
