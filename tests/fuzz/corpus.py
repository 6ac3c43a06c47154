"""Where fuzzing begins: one small sample of everything that the targets understand."""

from collections.abc import Iterator

from simplevoice.protocol import (
    AudioEnd,
    AudioMessage,
    AudioStart,
    ClientMessage,
    Interrupt,
    Ping,
    ResetConversation,
    SessionUpdate,
    TextMessage,
    encode,
)
from simplevoice.speech.codec import sniff
from simplevoice.types import INPUT_FORMATS
from tests import media

SOUND_MS = 120


def messages() -> Iterator[bytes]:
    """Every client message, with every field."""
    all_of_them: list[ClientMessage] = [
        AudioMessage(audio_data=b"RIFF\0\0\0\0WAVE", format="wav", language="ar"),
        AudioStart(format="pcm16", sample_rate=16_000, channels=2),
        AudioStart(format="webm"),
        AudioEnd(),
        TextMessage(text="what time is it? كم الساعة", language="en"),
        Interrupt(turn_id="turn_0123456789ab", played_ms=1.5e3),
        SessionUpdate(language="ar", voice_type="male", voice="ar-SA-HamedNeural", rate="+10%", instructions="short"),
        SessionUpdate(voice=None, rate=None, instructions=None),
        ResetConversation(),
        Ping(),
    ]
    yield from (encode(message).encode() for message in all_of_them)
    yield rb'{"type":"text_message","text":"\ud83d\ude00 \u0000","more":[{"a":null},1e9,true]}'
    yield b'{"type":"ping","type":"text_message","text":5}'


def recordings() -> Iterator[bytes]:
    """Every container, with every codec that is made here."""
    sound = media.tone(SOUND_MS)
    yield from (media.encode(sound, container) for container in INPUT_FORMATS)
    for codec in ("pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_mulaw", "pcm_alaw", "adpcm_ms"):
        yield media.encode(sound, "wav", codec=codec)
    stereo = media.tone(SOUND_MS, rate=48_000, channels=2)
    yield media.encode(stereo, "mp3", options={"id3v2_version": "0", "write_xing": "0"})
    yield media.encode(stereo, "m4a", options={"movflags": "frag_keyframe+empty_moov"})
    yield media.encode(stereo, "m4a", codec="alac")
    yield from streams()


def streams() -> Iterator[bytes]:
    """What recorders send as they go on, and files of the same containers with other codecs."""
    sound, stereo = media.tone(SOUND_MS), media.tone(SOUND_MS, rate=48_000, channels=2)
    yield from (media.live(audio, container) for audio in (sound, stereo) for container in ("webm", "ogg"))
    yield media.encode(stereo, "webm", codec="vorbis", codec_options={"strict": "experimental"})
    yield media.encode(stereo, "ogg", codec="vorbis", codec_options={"strict": "experimental"})
    yield media.encode(sound, "ogg", codec="flac")


def pieces() -> Iterator[bytes]:
    """Streams, behind the byte that says how long the pieces are in which they come."""
    yield from (bytes([size]) + stream for stream in streams() for size in (0, 7, 255))


def mp3_pieces() -> Iterator[bytes]:
    """MP3 with and without tags, behind such a byte."""
    yield from (b"\x40" + data for data in recordings() if sniff(data) == "mp3")
