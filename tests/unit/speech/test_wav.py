import wave
from io import BytesIO
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.speech.codec import decode
from simplevoice.speech.wav import read_plain, wav_header
from tests.media import recording, tone, wav

MAX = 20.0


def pcm_of(data: bytes) -> bytes:
    plain = read_plain(data)
    assert plain is not None
    assert b"".join(plain.pieces()) == plain.pcm
    return bytes(plain.pcm)


class TestHeader:
    def test_others_read_it(self) -> None:
        with wave.open(BytesIO(wav_header(22_050, 400) + bytes(400))) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22_050, 1, 2)
            assert file.getnframes() == 200

    def test_without_a_length_it_says_so(self) -> None:
        header = wav_header(24_000, None)
        assert len(header) == 44
        assert header[4:8] == header[40:44] == b"\xff\xff\xff\xff"


class TestPlain:
    def test_samples_come_as_they_are(self) -> None:
        pcm = recording("ar-no.wav").raw_data
        assert pcm_of(wav_header(16_000, len(pcm)) + pcm) == pcm

    def test_what_is_behind_the_samples_is_none(self) -> None:
        assert pcm_of(wav_header(16_000, 4) + b"abcdLIST") == b"abcd"

    def test_they_know_how_long_they_sound(self) -> None:
        plain = read_plain(wav(tone(2500, 8_000, 2).raw_data, rate=8_000, channels=2))
        assert plain is not None
        assert plain.seconds == 2.5
        assert [len(piece) for piece in plain.pieces()] == [32_000, 32_000, 16_000]

    @pytest.mark.parametrize("size", [None, 0, 400])
    def test_a_length_that_is_unknown_or_too_long_is_that_of_the_file(self, size: int | None) -> None:
        assert pcm_of(wav_header(16_000, size) + b"abcdef") == b"abcdef"

    @pytest.mark.parametrize("channels", [1, 2])
    def test_half_a_sample_is_left_out(self, channels: Literal[1, 2]) -> None:
        assert pcm_of(wav(b"abcdefg", channels=channels)) == b"abcdef"[: 6 - 6 % (2 * channels)]

    @pytest.mark.parametrize(
        "data",
        [
            wav(bytes(400))[:43],
            wav(bytes(400), bits=8),
            wav(bytes(400), bits=24),
            wav(bytes(400), tag=3),
            wav(bytes(400), channels=3),
            wav(bytes(400))[:32] + b"\x04" + wav(bytes(400))[33:],
            wav(bytes(400))[:36] + b"LIST\4\0\0\0INFO" + wav(bytes(400))[36:],
        ],
        ids=["cut off", "8 bits", "24 bits", "floats", "three channels", "padded samples", "another chunk"],
    )
    def test_all_others_are_left_to_libav(self, data: bytes) -> None:
        assert read_plain(data) is None

    @given(
        rate=st.sampled_from([8_000, 16_000, 24_000, 44_100, 48_000]),
        channels=st.sampled_from([1, 2]),
        ms=st.integers(20, 2500),
    )
    def test_libav_hears_the_same(self, rate: int, channels: int, ms: int) -> None:
        plain = wav(tone(ms, rate, channels).raw_data, rate=rate, channels=channels)
        another = plain[:36] + b"LIST\4\0\0\0INFO" + plain[36:]
        assert decode(plain, max_seconds=MAX) == decode(another, max_seconds=MAX)
