"""Replies in every format, whatever the engines gave."""

import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydub import AudioSegment

from simplevoice.speech.codec import decode, sniff
from simplevoice.speech.encode import COPIED_BYTES, SpeechEncoder
from simplevoice.speech.mp3 import FrameSplitter
from simplevoice.types import AUDIO_FORMATS, AudioFormat, SpeechCodec
from tests.media import encode, recording, samples, segment, tone, wav

PCM = tone(1000, rate=22_050)
EDGE = encode(tone(1000, rate=24_000), "mp3", codec_options={"b": "48000"})
EDGE_FRAMES = b"".join(frame for _, frame in FrameSplitter().feed(EDGE))


def push(encoder: SpeechEncoder, audio: AudioSegment, ms: int = 100) -> bytes:
    step = audio.frame_rate * ms // 1000 * 2
    raw = audio.raw_data
    return b"".join(encoder.push(raw[at : at + step], "pcm16", audio.frame_rate) for at in range(0, len(raw), step))


def heard(data: bytes, audio_format: AudioFormat) -> AudioSegment:
    file = wav(data, rate=24_000) if audio_format == "pcm16" else data
    assert sniff(file) == {"opus": "ogg", "pcm16": "wav"}.get(audio_format, audio_format)
    return decode(file, max_seconds=60)


def loudness(audio: AudioSegment) -> list[float]:
    """Root mean square of each 100 ms, relative to full scale."""
    return [audio[at : at + 100].rms / 32768 for at in range(0, len(audio) - 99, 100)]


@pytest.mark.parametrize("audio_format", AUDIO_FORMATS)
@pytest.mark.parametrize("streaming", [True, False])
class TestEveryFormat:
    def test_samples_become_one_file(self, audio_format: AudioFormat, streaming: bool) -> None:
        encoder = SpeechEncoder(audio_format, streaming=streaming)
        audio = heard(push(encoder, PCM) + encoder.flush(), audio_format)
        assert len(audio) == encoder.duration_ms
        assert len(audio) == pytest.approx(1000, abs=90 if audio_format == "mp3" else 2)
        assert max(loudness(audio)) == pytest.approx(0.25 / 2**0.5, rel=0.05)

    def test_mp3_becomes_one_file(self, audio_format: AudioFormat, streaming: bool) -> None:
        encoder = SpeechEncoder(audio_format, streaming=streaming)
        out = b"".join(encoder.push(EDGE[at : at + 97], "mp3", 24_000) for at in range(0, len(EDGE), 97))
        audio = heard(out + encoder.flush(), audio_format)
        assert len(audio) == pytest.approx(encoder.duration_ms, abs=2)
        assert len(audio) == pytest.approx(1000, abs=90)
        assert max(loudness(audio)) == pytest.approx(0.25 / 2**0.5, rel=0.05)

    def test_engines_may_change_within_a_reply(self, audio_format: AudioFormat, streaming: bool) -> None:
        encoder = SpeechEncoder(audio_format, streaming=streaming)
        out = encoder.push(EDGE, "mp3", 24_000) + push(encoder, PCM) + encoder.push(EDGE, "mp3", 24_000)
        out += push(encoder, tone(1000, rate=16_000)) + encoder.flush()
        audio = heard(out, audio_format)
        assert len(audio) == pytest.approx(encoder.duration_ms, abs=2)
        assert len(audio) == pytest.approx(4000, abs=300)
        assert sum(level > 0.15 for level in loudness(audio)) >= 36
        assert np.abs(samples(audio)).max() < 8192 * 1.5

    def test_nothing_is_made_of_nothing(self, audio_format: AudioFormat, streaming: bool) -> None:
        encoder = SpeechEncoder(audio_format, streaming=streaming)
        out = encoder.push(b"", "pcm16", 24_000) + encoder.push(b"", "mp3", 24_000) + encoder.flush()
        assert out[:4] == (b"RIFF" if audio_format == "wav" else b"")
        assert encoder.duration_ms == 0
        assert encoder.sample_rate == 24_000

    def test_sound_leaves_while_it_is_made(self, audio_format: AudioFormat, streaming: bool) -> None:
        encoder = SpeechEncoder(audio_format, streaming=streaming)
        made = push(encoder, tone(2000, rate=24_000))
        if audio_format == "wav" and not streaming:
            assert made == b""  # its header needs all of it
        else:
            assert len(heard(made, audio_format)) > 1700


class TestMp3:
    def test_frames_of_edge_pass_untouched_in_whatever_pieces(self) -> None:
        for step in (1, 97, 600, 1 << 20):
            encoder = SpeechEncoder("mp3")
            pieces = [encoder.push(EDGE[at : at + step], "mp3", 24_000) for at in range(0, len(EDGE), step)]
            assert b"".join(pieces) + encoder.flush() == EDGE_FRAMES
            assert all(len(piece) % 144 == 0 for piece in pieces)
            assert encoder.duration_ms == len(EDGE_FRAMES) // 144 * 24

    def test_sentences_of_edge_follow_each_other(self) -> None:
        encoder = SpeechEncoder("mp3")
        out = encoder.push(EDGE, "mp3", 24_000) + encoder.push(EDGE, "mp3", 24_000) + encoder.flush()
        assert out == EDGE_FRAMES * 2
        assert len(decode(out, max_seconds=60)) == encoder.duration_ms

    def test_every_frame_is_24_khz_mono_48_kbit_whoever_spoke(self) -> None:
        encoder = SpeechEncoder("mp3")
        out = push(encoder, PCM) + encoder.push(EDGE, "mp3", 24_000)
        out += encoder.push(encode(tone(500, rate=44_100, channels=2), "mp3"), "mp3", 44_100) + encoder.flush()
        frames = FrameSplitter().feed(out)
        assert b"".join(frame for _, frame in frames) == out
        assert {(h.sample_rate, h.channels, h.size) for h, _ in frames} == {(24_000, 1, 144)}
        assert len(frames) * 24 == encoder.duration_ms == pytest.approx(2500, abs=300)

    def test_half_a_frame_of_an_engine_that_failed_is_dropped(self) -> None:
        encoder = SpeechEncoder("mp3")
        cut = EDGE_FRAMES[: 144 * 10 + 50]
        out = encoder.push(cut, "mp3", 24_000) + push(encoder, PCM) + encoder.push(EDGE, "mp3", 24_000)
        assert out.startswith(EDGE_FRAMES[:1440])
        assert out.endswith(EDGE_FRAMES)

    def test_damaged_frames_are_left_out(self) -> None:
        encoder = SpeechEncoder("pcm16")
        broken = bytes.fromhex("fff364c4") + b"\xff" * 140
        out = encoder.push(broken + EDGE_FRAMES, "mp3", 24_000) + encoder.flush()
        assert len(out) // 48 == pytest.approx(1000, abs=100)


class TestWav:
    def test_sizes_are_right_when_all_is_known(self) -> None:
        encoder = SpeechEncoder("wav")
        assert push(encoder, tone(500, rate=24_000)) == b""
        out = encoder.flush()
        assert struct.unpack("<I", out[4:8])[0] == len(out) - 8
        assert struct.unpack("<I", out[40:44])[0] == len(out) - 44 == 24_000

    def test_a_streamed_header_goes_first_and_says_nothing(self) -> None:
        encoder = SpeechEncoder("wav", streaming=True)
        first = encoder.push(tone(100, rate=24_000).raw_data, "pcm16", 24_000)
        assert first[:4] == b"RIFF"
        assert first[4:8] == first[40:44] == b"\xff\xff\xff\xff"
        assert len(first) == 44 + 4800
        assert encoder.push(tone(100, rate=24_000).raw_data, "pcm16", 24_000) == first[44:]


class TestOpus:
    def test_its_length_is_that_of_the_speech(self) -> None:
        for ms in (90, 333, 1000):
            encoder = SpeechEncoder("opus")
            out = push(encoder, tone(ms, rate=24_000)) + encoder.flush()
            assert encoder.duration_ms == ms
            assert len(decode(out, max_seconds=60)) == pytest.approx(ms, abs=2)


def test_pieces_join_without_a_click() -> None:
    encoder = SpeechEncoder("pcm16")
    got = samples(push(encoder, PCM, ms=20) + encoder.flush())
    assert np.abs(got[200:-200] - samples(tone(1000, rate=24_000))[200:-200]).max() < 40


@pytest.mark.parametrize("audio_format", AUDIO_FORMATS)
def test_it_is_cheap(audio_format: AudioFormat) -> None:
    speech = recording("en-LJ001-0012.wav")
    encoder = SpeechEncoder(audio_format, streaming=True)
    begin = time.thread_time()
    push(encoder, speech)
    encoder.flush()
    assert (time.thread_time() - begin) / len(speech) * 100 < 0.004  # seconds for 100 ms; about 0.001 at rest


def test_silence_stays_silent() -> None:
    encoder = SpeechEncoder("mp3")
    out = push(encoder, segment(np.zeros(24_000), 24_000)) + encoder.flush()
    assert decode(out, max_seconds=60).rms == 0


class TestOffTheLoop:
    """What has to be converted is, in a thread; what is only copied takes less than that."""

    @pytest.fixture
    def threads(self, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
        """Whether each step was made in another thread than the event loop's."""
        mine, seen = threading.get_ident(), list[bool]()

        def noting(step: Callable[..., bytes]) -> Callable[..., bytes]:
            def noted(*args: Any) -> bytes:
                seen.append(threading.get_ident() != mine)
                return step(*args)

            return noted

        for name in ("push", "flush"):
            monkeypatch.setattr(SpeechEncoder, name, noting(getattr(SpeechEncoder, name)))
        return seen

    @pytest.mark.parametrize("audio_format", AUDIO_FORMATS)
    async def test_it_gives_what_the_steps_give(self, audio_format: AudioFormat) -> None:
        encoder, same = SpeechEncoder(audio_format), SpeechEncoder(audio_format)
        made = await encoder.encode(EDGE, "mp3", 24_000) + await encoder.encode(PCM.raw_data, "pcm16", 22_050)
        wanted = same.push(EDGE, "mp3", 24_000) + same.push(PCM.raw_data, "pcm16", 22_050)
        made, wanted = made + await encoder.finish(), wanted + same.flush()
        if audio_format != "opus":  # a stream of Ogg has a number of its own
            assert made == wanted
        assert encoder.duration_ms == same.duration_ms

    @pytest.mark.parametrize(("audio_format", "codec"), [("pcm16", "pcm16"), ("wav", "pcm16"), ("mp3", "mp3")])
    async def test_a_copy_needs_no_thread(
        self, threads: list[bool], audio_format: AudioFormat, codec: SpeechCodec
    ) -> None:
        encoder = SpeechEncoder(audio_format)
        await encoder.encode(EDGE[:4096], codec, 24_000)
        await encoder.finish()
        assert threads == [False, False]

    async def test_a_copy_behind_something_else_does(self, threads: list[bool]) -> None:
        encoder = SpeechEncoder("mp3")
        await encoder.encode(PCM.raw_data, "pcm16", 22_050)
        await encoder.encode(EDGE[:4096], "mp3", 24_000)  # ends what is being encoded
        assert threads == [True, True]

    @pytest.mark.parametrize(
        ("audio_format", "codec", "rate", "size"),
        [
            ("mp3", "pcm16", 24_000, 4096),
            ("opus", "pcm16", 24_000, 4096),
            ("pcm16", "mp3", 24_000, 4096),
            ("pcm16", "pcm16", 22_050, 4096),
            ("pcm16", "pcm16", 24_000, COPIED_BYTES + 2),
        ],
    )
    async def test_all_else_does(
        self, threads: list[bool], audio_format: AudioFormat, codec: SpeechCodec, rate: int, size: int
    ) -> None:
        encoder = SpeechEncoder(audio_format)
        await encoder.encode(EDGE_FRAMES[:size] if codec == "mp3" else bytes(size), codec, rate)
        await encoder.finish()
        assert threads == [True, True]
