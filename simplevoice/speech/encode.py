"""A reply's speech, as engines make it, becomes one file or stream of the format that the client asked for.

MP3 that already has the reply's rate passes through untouched; everything else goes through 24 kHz mono samples.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial

import av

from simplevoice.speech.mp3 import FrameHeader, FrameSplitter
from simplevoice.speech.resample import Resampler, pcm_frame
from simplevoice.speech.wav import wav_header
from simplevoice.types import OUTPUT_SAMPLE_RATE, AudioFormat, SpeechCodec

MP3_BITS_PER_SECOND = 48_000
MP3_FRAME_SAMPLES = 576
"""At 24 kHz."""
MP3_EFFORT, OPUS_EFFORT = "7", "5"
"""lame's quality (0 the best) and Opus' complexity (10 the best): half the time of their defaults."""
OPUS_BITS_PER_SECOND = 32_000
COPIED_BYTES = 32 * 1024
"""So much is copied within half a millisecond, what engines stream mostly sooner than a thread would wake."""
OPUS_PAGE_MS = 100
"""A page of Ogg is sent when it is full; libav's own second would be heard as a delay."""


class SpeechEncoder:
    """Encodes one reply, whose pieces may come from different engines; 24 kHz mono, one decodable file.

    100 ms of speech cost about 1 ms in opus and mp3, less in the others. Not for two threads at once.
    """

    sample_rate = OUTPUT_SAMPLE_RATE

    def __init__(self, audio_format: AudioFormat, *, streaming: bool = False) -> None:
        """Begin a reply. A WAV that is streamed has no sizes in its header; else all of it comes from ``flush``."""
        self._sink = _sink(audio_format, streaming)
        self._resampler = Resampler(OUTPUT_SAMPLE_RATE)
        self._splitter = FrameSplitter()
        self._decoder: av.AudioCodecContext | None = None
        self._copies = True
        """Whether all so far was little and stayed as it was."""

    @property
    def duration_ms(self) -> int:
        """How long the sound is that was pushed and is not held back any more."""
        return self._sink.samples * 1000 // OUTPUT_SAMPLE_RATE

    async def encode(self, data: bytes, codec: SpeechCodec, sample_rate: int) -> bytes:
        """Push speech, in a thread unless it is little and stays as it is, like all before it."""
        as_it_is = (codec, sample_rate) == (self._sink.codec, OUTPUT_SAMPLE_RATE)
        self._copies = self._copies and as_it_is and len(data) <= COPIED_BYTES
        return await self._step(partial(self.push, data, codec, sample_rate))

    async def finish(self) -> bytes:
        """Flush, in a thread unless all stayed as it was."""
        return await self._step(self.flush)

    def push(self, data: bytes, codec: SpeechCodec, sample_rate: int) -> bytes:
        """Take speech and return what is ready, perhaps nothing. Blocks.

        MP3 may be cut anywhere, and what is damaged is left out; pcm16 is whole mono samples at ``sample_rate`` (Hz).
        """
        if codec == "pcm16":
            self._splitter, self._decoder = FrameSplitter(), None
            return self._sink.write(self._resampler.push_pcm(data, sample_rate)) if data else b""
        return b"".join(self._push_mp3(*frame) for frame in self._splitter.feed(data))

    def flush(self) -> bytes:
        """End the reply and return the rest. Blocks."""
        return self._sink.write(self._resampler.flush()) + self._sink.end()

    async def _step(self, step: Callable[[], bytes]) -> bytes:
        return step() if self._copies else await asyncio.to_thread(step)

    def _push_mp3(self, header: FrameHeader, frame: bytes) -> bytes:
        if isinstance(self._sink, _Mp3Sink) and header.sample_rate == OUTPUT_SAMPLE_RATE and header.channels == 1:
            return self._sink.write(self._resampler.flush()) + self._sink.pass_through(header, frame)
        if self._decoder is None:
            self._decoder = av.Codec("mp3float", "r").create("audio")
        try:
            decoded = self._decoder.decode(av.Packet(frame))
        except av.InvalidDataError:
            return b""
        return self._sink.write(b"".join(map(self._resampler.push, decoded)))


class _Sink(ABC):
    """Where 24 kHz mono s16le goes; ``samples`` counts what the file holds so far."""

    samples = 0
    codec: SpeechCodec | None = None
    """What stays as it is, at 24 kHz."""

    @abstractmethod
    def write(self, pcm: bytes) -> bytes:
        """Take samples, perhaps none, and return what is ready."""

    @abstractmethod
    def end(self) -> bytes:
        """Return the rest."""


class _PcmSink(_Sink):
    codec = "pcm16"

    def write(self, pcm: bytes) -> bytes:
        self.samples += len(pcm) // 2
        return pcm

    def end(self) -> bytes:
        return b""


class _WavSink(_Sink):
    codec = "pcm16"

    def __init__(self, streaming: bool) -> None:
        self._streaming = streaming
        self._held = bytearray(wav_header(OUTPUT_SAMPLE_RATE, None) if streaming else b"")

    def write(self, pcm: bytes) -> bytes:
        self.samples += len(pcm) // 2
        self._held += pcm
        return self._take() if self._streaming else b""

    def end(self) -> bytes:
        pcm = self._take()
        return pcm if self._streaming else wav_header(OUTPUT_SAMPLE_RATE, len(pcm)) + pcm

    def _take(self) -> bytes:
        taken = bytes(self._held)
        self._held.clear()
        return taken


class _Mp3Sink(_Sink):
    codec = "mp3"

    def __init__(self) -> None:
        self._encoder: av.AudioCodecContext | None = None

    def write(self, pcm: bytes) -> bytes:
        if not pcm:
            return b""
        if self._encoder is None:
            self._encoder = av.AudioCodecContext.create("libmp3lame", "w")
            self._encoder.sample_rate = OUTPUT_SAMPLE_RATE
            self._encoder.layout = "mono"
            self._encoder.format = "s16p"
            self._encoder.bit_rate = MP3_BITS_PER_SECOND
            # Frames that need none before them can stand beside those of another encoder.
            self._encoder.options = {"reservoir": "0", "compression_level": MP3_EFFORT}
        return self._count(self._encoder.encode(pcm_frame(pcm, OUTPUT_SAMPLE_RATE)))

    def pass_through(self, header: FrameHeader, frame: bytes) -> bytes:
        """Put a frame of another encoder after what was written."""
        rest = self.end()
        self.samples += header.samples
        return rest + frame

    def end(self) -> bytes:
        encoder, self._encoder = self._encoder, None
        return self._count(encoder.encode(None)) if encoder else b""

    def _count(self, packets: list["av.Packet[av.AudioStream]"]) -> bytes:
        self.samples += len(packets) * MP3_FRAME_SAMPLES
        return b"".join(map(bytes, packets))


class _OpusSink(_Sink):
    def __init__(self) -> None:
        self._wire = _Wire()
        self._output = av.open(
            self._wire,
            "w",
            format="ogg",
            container_options={"page_duration": str(OPUS_PAGE_MS * 1000), "flush_packets": "1"},
        )
        options = {"application": "voip", "frame_duration": "20", "compression_level": OPUS_EFFORT}
        self._stream = self._output.add_stream("libopus", rate=OUTPUT_SAMPLE_RATE, options=options)
        self._stream.layout = "mono"
        self._stream.bit_rate = OPUS_BITS_PER_SECOND

    def write(self, pcm: bytes) -> bytes:
        if pcm:
            frame = pcm_frame(pcm, OUTPUT_SAMPLE_RATE)
            frame.pts = self.samples
            self.samples += frame.samples
            self._output.mux(self._stream.encode(frame))
        return self._wire.take()

    def end(self) -> bytes:
        self._output.mux(self._stream.encode(None))
        self._output.close()
        return self._wire.take()


class _Wire:
    """A file that can only be written, for a muxer that shall not go back."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


def _sink(audio_format: AudioFormat, streaming: bool) -> _Sink:
    match audio_format:
        case "mp3":
            return _Mp3Sink()
        case "wav":
            return _WavSink(streaming)
        case "opus":
            return _OpusSink()
        case "pcm16":
            return _PcmSink()
