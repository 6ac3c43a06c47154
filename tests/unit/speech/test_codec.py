"""Every container that clients send, and what hostile ones claim."""

import struct
import time
from functools import cache
from io import BytesIO
from typing import get_args

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydub import AudioSegment

from simplevoice.errors import AudioError, ErrorCode
from simplevoice.speech.codec import decode, sniff
from simplevoice.types import INPUT_FORMATS, InputFormat
from tests.hostile_media import compressed_index, compressed_tag
from tests.media import encode, live, recording, samples, segment, tone, wav, with_valid_pages

MAX = 60.0


@cache
def sample(container: InputFormat) -> bytes:
    return encode(recording("ar-no.wav"), container)


def level_at(audio: AudioSegment, hz: float) -> float:
    """Share of the energy that lies within 10 Hz of ``hz``."""
    spectrum = np.abs(np.fft.rfft(samples(audio))) ** 2
    frequencies = np.fft.rfftfreq(len(samples(audio)), 1 / audio.frame_rate)
    return float(spectrum[abs(frequencies - hz) < 10].sum() / spectrum.sum())


def code_of(data: bytes, *, max_seconds: float = MAX, declared: InputFormat | None = None) -> ErrorCode:
    with pytest.raises(AudioError) as caught:
        decode(data, max_seconds=max_seconds, declared=declared)
    return caught.value.code


class TestSniff:
    @pytest.mark.parametrize("container", INPUT_FORMATS)
    def test_names_what_encoders_write(self, container: InputFormat) -> None:
        assert sniff(sample(container)) == container

    def test_names_an_mp3_without_a_tag(self) -> None:
        assert sniff(encode(tone(500), "mp3", options={"id3v2_version": "0", "write_xing": "0"})) == "mp3"

    def test_names_a_large_wav(self) -> None:
        assert sniff(b"RF64\xff\xff\xff\xffWAVEds64") == "wav"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"R",
            b"RIFF\0\0\0\0AVI ",
            b"\xff\xf1\x50\x80" * 9,
            b"#EXTM3U\nfile:///etc/passwd",
            b"ffconcat version 1.0\n",
            b"\0" * 99,
        ],
    )
    def test_knows_nothing_else(self, data: bytes) -> None:
        assert sniff(data) is None

    @given(st.binary(max_size=64))
    def test_takes_any_bytes(self, data: bytes) -> None:
        assert sniff(data) in (None, *INPUT_FORMATS)


class TestDecode:
    @pytest.mark.parametrize("container", INPUT_FORMATS)
    def test_gives_the_sound_at_16_khz_mono(self, container: InputFormat) -> None:
        audio = decode(encode(tone(2000, rate=44_100, channels=2), container, rate=48_000), max_seconds=MAX)
        assert (audio.frame_rate, audio.channels, audio.sample_width) == (16_000, 1, 2)
        assert len(audio) == pytest.approx(2000, abs=50)
        assert level_at(audio, 440) > 0.98
        assert audio[500:1500].dBFS == pytest.approx(tone(1000).dBFS, abs=0.5)

    @pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_takes_any_rate(self, rate: int, channels: int) -> None:
        audio = decode(encode(tone(1000, rate, channels), "wav"), max_seconds=MAX)
        assert len(audio) == pytest.approx(1000, abs=2)
        assert level_at(audio, 440) > 0.99

    @pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"])
    def test_takes_any_sample_format_of_wav(self, codec: str) -> None:
        audio = decode(encode(tone(1000), "wav", codec=codec), max_seconds=MAX)
        assert level_at(audio, 440) > 0.99
        assert audio.dBFS == pytest.approx(tone(1000).dBFS, abs=0.2)

    @pytest.mark.parametrize("channels", [3, 6, 8, 9, 16, 300])
    def test_mixes_any_channel_count(self, channels: int) -> None:
        pcm = np.repeat(samples(tone(500)).astype("<i2"), channels).tobytes()
        audio = decode(wav(pcm, channels=channels), max_seconds=MAX)
        assert len(audio) == 500
        assert audio.dBFS == pytest.approx(tone(500).dBFS, abs=0.2)

    def test_takes_alac_and_vorbis(self) -> None:
        alac = encode(tone(1000), "m4a", codec="alac")
        vorbis = encode(tone(1000, channels=2), "ogg", codec="vorbis", codec_options={"strict": "experimental"})
        for data in (alac, vorbis):
            assert level_at(decode(data, max_seconds=MAX), 440) > 0.98

    def test_takes_a_live_webm_of_unknown_sizes(self) -> None:
        audio = decode(live(recording("en-LJ011-0202.wav")), max_seconds=MAX)
        assert len(audio) == pytest.approx(3142, abs=25)

    def test_takes_a_fragmented_m4a(self) -> None:
        data = encode(tone(2000), "m4a", options={"movflags": "frag_keyframe+empty_moov"})
        assert len(decode(data, max_seconds=MAX)) == pytest.approx(2000, abs=150)  # AAC's priming and padding

    @pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x80000000])
    def test_takes_a_wav_whose_sizes_are_unknown(self, size: int) -> None:
        data = bytearray(wav(tone(500).raw_data))
        data[4:8] = data[40:44] = struct.pack("<I", size)
        assert len(decode(bytes(data), max_seconds=MAX)) == 500

    @pytest.mark.parametrize("container", ["webm", "mp3", "wav", "flac", "ogg"])
    def test_gives_what_is_there_of_a_truncated_file(self, container: InputFormat) -> None:
        data = encode(tone(3000), container, options={"page_duration": "200000"} if container == "ogg" else {})
        audio = decode(data[: len(data) // 2], max_seconds=MAX)
        assert 800 < len(audio) < 2000
        assert level_at(audio, 440) > 0.98

    def test_leaves_out_a_cover_picture(self) -> None:
        target = BytesIO()
        with av.open(target, "w", format="ipod") as output:
            sound = output.add_stream("aac", rate=16_000, layout="mono")
            cover = output.add_stream("mpeg4", rate=1)
            cover.width = cover.height = 64
            for _ in range(5):
                output.mux(cover.encode(av.VideoFrame(64, 64, "yuv420p")))
            frame = av.AudioFrame.from_ndarray(samples(tone(1000)).astype("<i2").reshape(1, -1), "s16", "mono")
            frame.sample_rate = 16_000
            output.mux(sound.encode(frame))
            output.mux(cover.encode(None))
            output.mux(sound.encode(None))
        assert level_at(decode(target.getvalue(), max_seconds=MAX), 440) > 0.98

    def test_takes_the_declared_format_at_its_word_only_if_it_is_true(self) -> None:
        assert decode(sample("wav"), max_seconds=MAX, declared="wav")
        with pytest.raises(AudioError) as caught:
            decode(sample("mp3"), max_seconds=MAX, declared="wav")
        assert caught.value.code is ErrorCode.AUDIO_FORMAT_MISMATCH
        assert caught.value.details == {"declared": "wav", "found": "mp3"}


class TestRefusals:
    def test_nothing(self) -> None:
        assert code_of(b"") is ErrorCode.EMPTY_AUDIO
        assert code_of(wav(b"")) is ErrorCode.EMPTY_AUDIO

    @pytest.mark.parametrize("data", [b"hello, world", encode(tone(100), "wav", codec="adpcm_ms")])
    def test_what_is_not_taken(self, data: bytes) -> None:
        with pytest.raises(AudioError) as caught:
            decode(data, max_seconds=MAX)
        assert caught.value.code is ErrorCode.UNSUPPORTED_AUDIO_FORMAT
        assert caught.value.details["allowed"] == list(get_args(InputFormat))

    def test_a_video_without_sound(self) -> None:
        target = BytesIO()
        with av.open(target, "w", format="mp4") as output:
            video = output.add_stream("mpeg4", rate=10)
            video.width = video.height = 64
            output.mux(video.encode(av.VideoFrame(64, 64, "yuv420p")))
            output.mux(video.encode(None))
        assert code_of(target.getvalue()) is ErrorCode.UNSUPPORTED_AUDIO_FORMAT

    @pytest.mark.parametrize(
        "magic", [b"RIFF\0\0\0\0WAVE", b"ID3\4\0\0", b"\0\0\0\x20ftyp", b"\x1a\x45\xdf\xa3", b"OggS"]
    )
    def test_a_magic_and_nothing_behind_it(self, magic: bytes) -> None:
        assert code_of(magic + bytes(200)) in (ErrorCode.AUDIO_DECODE_FAILED, ErrorCode.EMPTY_AUDIO)

    def test_an_m4a_that_lost_its_index(self) -> None:
        assert code_of(sample("m4a")[:4000]) is ErrorCode.AUDIO_DECODE_FAILED


class TestBounds:
    def test_the_bound_is_exact(self) -> None:
        assert len(decode(wav(tone(2000).raw_data), max_seconds=2.0)) == 2000
        with pytest.raises(AudioError) as caught:
            decode(wav(tone(2001).raw_data), max_seconds=2.0)
        assert caught.value.code is ErrorCode.AUDIO_TOO_LONG
        assert caught.value.details == {"max_seconds": 2.0}

    @pytest.mark.parametrize("container", ["flac", "mp3", "ogg", "webm"])
    def test_the_bound_stops_the_decoder(self, container: InputFormat) -> None:
        data = encode(segment(np.zeros(16_000 * 300)), container, codec_options={"b": "8000"})
        assert len(data) < 400_000
        begin = time.thread_time()
        decode(data, max_seconds=301)
        whole = time.thread_time() - begin
        begin = time.thread_time()
        assert code_of(data, max_seconds=3) is ErrorCode.AUDIO_TOO_LONG
        assert time.thread_time() - begin < whole / 4

    def test_a_low_rate_is_counted_before_it_is_blown_up(self) -> None:
        data = wav(bytes(200_000), rate=1)
        begin = time.thread_time()
        assert code_of(data) is ErrorCode.AUDIO_TOO_LONG
        assert time.thread_time() - begin < 0.1

    @pytest.mark.parametrize("rate", [0, 999, 768_001, 0x7FFFFFFF, 0xFFFFFFFF])
    def test_a_rate_out_of_bounds(self, rate: int) -> None:
        assert code_of(wav(bytes(2000), rate=rate)) is ErrorCode.AUDIO_DECODE_FAILED

    def test_a_compressed_tag_is_not_unpacked(self) -> None:
        data = compressed_tag(200) + sample("mp3")
        begin = time.thread_time()
        assert len(decode(data, max_seconds=MAX)) == 1000
        assert time.thread_time() - begin < 0.1

    def test_a_compressed_header_is_not_unpacked(self) -> None:
        assert (
            code_of(compressed_index(200)) is ErrorCode.AUDIO_DECODE_FAILED
        )  # unpacked, it would be a film without a track

    def test_a_run_of_a_billion_samples_is_not_believed(self) -> None:
        data = bytearray(encode(tone(500), "m4a", options={"movflags": "frag_keyframe+empty_moov"}))
        run = data.index(b"trun") + 4
        data[run : run + 8] = b"\0\0\0\1" + struct.pack(">I", 50_000_000)
        assert code_of(bytes(data)) is ErrorCode.AUDIO_DECODE_FAILED  # believed, it would be decoded

    def test_decoding_ends_when_its_time_is_spent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ticks = iter(range(10_000))
        monkeypatch.setattr(time, "thread_time", lambda: float(next(ticks)))
        assert code_of(sample("mp3"), max_seconds=5) is ErrorCode.AUDIO_DECODE_FAILED


class TestHostileBytes:
    @given(container=st.sampled_from(INPUT_FORMATS), share=st.floats(0, 1))
    def test_cut_anywhere(self, container: InputFormat, share: float) -> None:
        data = sample(container)
        survives(data[: int(len(data) * share)])

    @given(
        container=st.sampled_from(INPUT_FORMATS),
        patches=st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=8)), min_size=1, max_size=8),
        within=st.sampled_from([64, 512, 1 << 20]),
    )
    def test_changed_anywhere(self, container: InputFormat, patches: list[tuple[float, bytes]], within: int) -> None:
        data = bytearray(sample(container))
        for share, patch in patches:
            at = int(min(len(data), within) * share)
            data[at : at + len(patch)] = patch
        survives(bytes(data))
        survives(with_valid_pages(bytes(data)))  # libav passes over what has a wrong checksum

    @given(
        magic=st.sampled_from(
            [b"RIFF\0\0\0\0WAVE", b"ID3\4\0\0", b"\xff\xf3\x64\xc4", b"\0\0\0\x20ftyp", b"OggS", b"fLaC"]
        ),
        rest=st.binary(max_size=2000),
    )
    def test_anything_behind_a_magic(self, magic: bytes, rest: bytes) -> None:
        survives(magic + rest)


def survives(data: bytes) -> None:
    try:
        audio = decode(data, max_seconds=MAX)
    except AudioError:
        return
    assert 0 < len(audio.raw_data) <= MAX * 32_000 + 32_000
