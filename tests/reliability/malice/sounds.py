"""Binary messages out of place, and recordings that lie."""

import struct
from base64 import b64encode
from io import BytesIO

import av
import numpy as np

from simplevoice.protocol import AudioEnd, AudioStart, encode
from tests import media
from tests.hostile_media import (
    OPUS_SILENCE,
    REFERENCES,
    compressed_block,
    compressed_index,
    compressed_tag,
    compressed_zeros,
    many_tracks,
    opus_of,
)
from tests.reliability.malice import Case, audio_message, saying

FILE = "/etc/hostname"
STREAM = {"turn_detection": "server_vad"}
PUSH_TO_TALK, END = encode(AudioStart(format="webm")), encode(AudioEnd())

MISMATCH, DECODE_FAILED, UNSUPPORTED = (
    "error AUDIO_FORMAT_MISMATCH",
    "error AUDIO_DECODE_FAILED",
    "error UNSUPPORTED_AUDIO_FORMAT",
)
TOO_LONG, TOO_LARGE, EMPTY = "error AUDIO_TOO_LONG", "error AUDIO_TOO_LARGE", "error EMPTY_AUDIO"


def film() -> bytes:
    """A second of MP4 without sound."""
    target = BytesIO()
    with av.open(target, "w", format="mp4") as output:
        video = output.add_stream("mpeg4", rate=10)
        video.width = video.height = 64
        output.mux(video.encode(av.VideoFrame(64, 64, "yuv420p")))
        output.mux(video.encode(None))
    return target.getvalue()


def lying(size: int) -> bytes:
    """Half a second of WAV that says it has so many bytes."""
    data = bytearray(media.wav(media.tone(500).raw_data))
    data[4:8] = data[40:44] = struct.pack("<I", size)
    return bytes(data)


def recording(what: str, data: bytes, answer: str) -> Case:
    return Case(f"a recording: {what}", answer, saying(data))


_SOUND = media.encode(media.tone(500), "m4a")
_MP3 = media.encode(media.tone(500), "mp3")
_FLAC = media.encode(media.segment(np.zeros(16_000 * 1800)), "flac")
_OPUS = opus_of(OPUS_SILENCE, 15_000)
_VORBIS = media.encode(media.tone(500, 48_000, 2), "webm", codec="vorbis", codec_options={"strict": "experimental"})
_TOO_LARGE = b64encode(bytes(10 * 2**20 + 1)).decode()

SOUNDS = [
    Case("an empty binary message", EMPTY, saying(b"")),
    Case("a binary message that is no recording", UNSUPPORTED, saying(bytes(1000))),
    Case("a binary message of more than 10 MiB", TOO_LARGE, saying(bytes(10 * 2**20 + 1))),
    Case("sound before audio_start", "error INVALID_MESSAGE", saying(bytes(1000), bytes(1000), bytes(1000)), STREAM),
    Case("rubbish in a stream, again and again", DECODE_FAILED, saying(PUSH_TO_TALK, *[b"rubbish"] * 9, END)),
    Case("a stream of WebM without a track of Opus", UNSUPPORTED, saying(PUSH_TO_TALK, _VORBIS)),
    Case("half an hour of Opus in a piece of 47 kB", TOO_LONG, saying(_OPUS), STREAM),
    Case(
        "a recording that is not what it is called",
        MISMATCH,
        saying(audio_message(b64encode(_MP3).decode())),
    ),
    Case("base64 of nothing", EMPTY, saying(audio_message(""))),
    Case("base64 of more than 10 MiB", TOO_LARGE, saying(audio_message(_TOO_LARGE))),
    recording("a film without sound", film(), UNSUPPORTED),
    recording("half an hour of FLAC in 200 kB", _FLAC, TOO_LONG),
    recording("half an hour of Opus in 47 kB", _OPUS, TOO_LONG),
    recording("a WAV of one sample a second, for a day", media.wav(bytes(200_000), rate=1), TOO_LONG),
    recording("a WAV of 2 billion samples a second", media.wav(bytes(2000), rate=0x7FFFFFFF), DECODE_FAILED),
    recording("a WAV of 65,535 channels", media.wav(bytes(200_000), channels=0xFFFF), DECODE_FAILED),
    recording("a WAV that says it has 4 GB, and has 16 kB", lying(0xFFFFFFFF), "guidance"),
    recording("a WAV without a sample", media.wav(b""), EMPTY),
    recording("an M4A that lost its index", _SOUND[:2000], DECODE_FAILED),
    recording("an M4A of a thousand tracks", many_tracks("m4a", 1000), DECODE_FAILED),
    recording("an Ogg of a thousand tracks", many_tracks("ogg", 1000), DECODE_FAILED),
    recording("an index that unpacks to 200 MiB", compressed_index(200), DECODE_FAILED),
    recording("a title that unpacks to 200 MiB", compressed_tag(200) + _MP3, "guidance"),
    recording("a block that unpacks to 1 GiB", compressed_block(compressed_zeros(1024)), EMPTY),
    recording("an HLS playlist", REFERENCES["HLS playlist"](FILE), UNSUPPORTED),
    recording("a concat script", REFERENCES["concat script"](FILE), UNSUPPORTED),
    recording("an HLS playlist behind an ID3 tag", REFERENCES["HLS playlist behind an ID3 tag"](FILE), DECODE_FAILED),
    recording("samples that lie in a file of the server", REFERENCES["M4A with its samples elsewhere"](FILE), EMPTY),
    recording("a pointer to another recording", REFERENCES["QuickTime reference movie"](FILE), UNSUPPORTED),
]
