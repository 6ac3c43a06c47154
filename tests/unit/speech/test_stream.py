"""Live streams give their sound as it comes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.errors import AudioError, ClientError, ErrorCode
from simplevoice.speech.codec import decode
from simplevoice.speech.stream import PORTION_BYTES, StreamDecoder, begins_stream, open_stream
from simplevoice.types import InputFormat
from tests.hostile_media import OPUS_SILENCE, opus_of
from tests.media import live, media_recorder_chunks, recording, samples, segment, tone

SPEECH = recording("en-LJ011-0202.wav")


def feed(stream: StreamDecoder, data: bytes, step: int = 1 << 20) -> bytes:
    pieces = (data[at : at + step] for at in range(0, len(data), step))
    return b"".join(portion for piece in pieces for portion in stream.feed(piece)) + stream.finish()


class TestPcm:
    @pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_frames_of_any_size_sound_like_the_whole(self, rate: int, channels: int) -> None:
        pcm = tone(500, rate, channels).raw_data
        whole = feed(open_stream("pcm16", sample_rate=rate, channels=channels), pcm)
        assert len(whole) // 2 == pytest.approx(8000, abs=2)
        assert np.abs(samples(whole)).max() == pytest.approx(8192, rel=0.05)
        for step in (1, 3, 640, 1001):
            assert feed(open_stream("pcm16", sample_rate=rate, channels=channels), pcm, step) == whole

    @pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
    def test_pieces_of_20_ms_join_without_a_click(self, rate: int) -> None:
        got = samples(feed(open_stream("pcm16", sample_rate=rate), tone(500, rate).raw_data, rate // 50 * 2))
        expected = samples(tone(500))
        assert np.abs(got[200:7800] - expected[200:7800]).max() < 40

    def test_sound_is_there_at_once(self) -> None:
        stream = open_stream("pcm16", sample_rate=48_000)
        arrived = 0
        for _ in range(50):
            arrived += len(b"".join(stream.feed(bytes(1920)))) // 2
        assert 1000 * 16 - arrived < 5 * 16

    def test_half_a_sample_at_the_end_is_left_out(self) -> None:
        assert feed(open_stream("pcm16"), b"\1\0\2\0\3") == b"\1\0\2\0"

    @pytest.mark.parametrize(("rate", "channels"), [(7_999, 1), (48_001, 1), (0, 1), (16_000, 0), (16_000, 3)])
    def test_parameters_are_bounded(self, rate: int, channels: int) -> None:
        with pytest.raises(ClientError) as caught:
            open_stream("pcm16", sample_rate=rate, channels=channels)
        assert caught.value.code is ErrorCode.INVALID_PARAMETER
        assert set(caught.value.details) == {"field", "allowed"}


class TestContainers:
    @pytest.mark.parametrize("container", ["webm", "ogg"])
    @pytest.mark.parametrize("step", [1, 777, 1 << 20])
    def test_a_stream_sounds_like_the_file(self, container: InputFormat, step: int) -> None:
        data = live(SPEECH, container)
        got, expected = samples(feed(open_stream(container), data, step)), samples(decode(data, max_seconds=60))
        assert len(got) == pytest.approx(len(expected), abs=320)
        length = min(len(got), len(expected)) - 32  # where the file was cut to its length, the filter rings
        assert np.abs(got[:length] - expected[:length]).max() <= 2

    @pytest.mark.parametrize("container", ["webm", "ogg"])
    def test_sound_is_there_within_100_ms_of_its_arrival(self, container: InputFormat) -> None:
        chunks = media_recorder_chunks(tone(3000), container=container)
        stream = open_stream(container)
        arrived = 0
        for index, chunk in enumerate(chunks):
            arrived += len(b"".join(stream.feed(chunk))) // 32
            assert arrived >= index * 100 - 100 - 100  # the cut is by bytes: a page more or less

    def test_a_second_recording_may_follow(self) -> None:
        data = live(SPEECH)
        assert len(feed(open_stream("webm"), data + data, 999)) // 32 == pytest.approx(2 * len(SPEECH), abs=50)

    @pytest.mark.parametrize("packet", [OPUS_SILENCE, b"\xfb\x06" + b"\xff\xfe" * 6])
    def test_little_is_done_at_a_time(self, packet: bytes) -> None:
        sizes = [len(portion) for portion in open_stream("ogg").feed(opus_of(packet, 400))]
        assert max(sizes) <= PORTION_BYTES + 120 * 32
        assert sum(sizes) > 40 * 32_000

    def test_much_of_nothing_is_taken_a_little_at_a_time(self) -> None:
        head, _, _ = live(SPEECH).partition(b"\x1f\x43\xb6\x75")
        nothing = b"\xec\x80" * 100_000  # empty elements
        portions = list(open_stream("webm").feed(head + nothing))
        assert len(portions) >= 200_000 // 4096
        assert not any(portions)

    def test_a_piece_that_unpacks_to_hours_is_refused(self) -> None:
        data = live(segment(np.zeros(16_000 * 90)))
        heard: list[bytes] = []
        with pytest.raises(AudioError) as caught:
            heard.extend(open_stream("webm").feed(data))
        assert caught.value.code is ErrorCode.AUDIO_TOO_LONG
        assert len(b"".join(heard)) <= 60 * 32_000
        assert len(feed(open_stream("webm"), data, 10_000)) // 32_000 == 90

    @pytest.mark.parametrize("container", ["m4a", "mp3", "wav", "flac"])
    def test_what_can_not_be_streamed_is_refused(self, container: InputFormat) -> None:
        with pytest.raises(AudioError) as caught:
            open_stream(container)
        assert caught.value.code is ErrorCode.UNSUPPORTED_AUDIO_FORMAT
        assert caught.value.details == {"allowed": ["pcm16", "webm", "ogg"]}

    @given(
        container=st.sampled_from(["webm", "ogg"]),
        patches=st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=6)), min_size=1, max_size=6),
        within=st.sampled_from([300, 1 << 20]),
    )
    def test_changed_bytes_are_survived(
        self, container: InputFormat, patches: list[tuple[float, bytes]], within: int
    ) -> None:
        data = bytearray(SHORT[container])
        for share, patch in patches:
            at = int(min(len(data), within) * share)
            data[at : at + len(patch)] = patch
        try:
            feed(open_stream(container), bytes(data), 500)
        except AudioError:
            return


SHORT = {container: live(tone(300), container) for container in ("webm", "ogg")}


class TestBeginning:
    def test_only_the_first_piece_begins_a_stream(self) -> None:
        for container in ("webm", "ogg"):
            first, *others = media_recorder_chunks(tone(1000), container=container)
            assert begins_stream(first)
            assert not any(map(begins_stream, others))

    def test_a_later_page_of_ogg_does_not(self) -> None:
        data = live(tone(1000), "ogg")
        assert not begins_stream(data[data.index(b"OggS", 1) :])
        assert not begins_stream(b"OggS")
