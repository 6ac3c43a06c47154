"""What the emulator says: a text spoken by espeak, as the 24 kHz 48 kbit/s MP3 frames that the service sends."""

import asyncio
from contextlib import aclosing

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from simplevoice.tts import Voice
from simplevoice.tts.espeak import EspeakSpeaker

SAMPLE_RATE = 24_000
BIT_RATE = 48_000
FRAME_BYTES = 144
"""72 * bit rate / sample rate of MPEG-2 Layer III, always without padding at these two."""

TICKS_PER_SECOND = 10_000_000


async def mp3_of(text: str, voice: Voice, speaker: EspeakSpeaker) -> bytes:
    """Speak the text, whole frames."""
    async with aclosing(speaker.synthesize(text, voice)) as stream:
        chunks = [chunk async for chunk in stream]
    return await asyncio.to_thread(_encode, b"".join(c.data for c in chunks), chunks[0].sample_rate)


def ticks_of(mp3: bytes) -> int:
    """Duration of the frames in ticks of 100 ns, as the service counts."""
    return len(mp3) * 8 * TICKS_PER_SECOND // BIT_RATE


def words_of(text: str, ticks: int) -> list[tuple[str, int, int]]:
    """The words with their offset and duration in ticks, each as long as its share of the letters."""
    words = text.split()
    letters = sum(map(len, words))
    before = 0
    timed = []
    for word in words:
        timed.append((word, ticks * before // letters, ticks * len(word) // letters))
        before += len(word)
    return timed


def _encode(pcm: bytes, sample_rate: int) -> bytes:
    encoder = AudioCodecContext.create("libmp3lame", "w")
    encoder.sample_rate = SAMPLE_RATE
    encoder.bit_rate = BIT_RATE
    encoder.layout = "mono"
    encoder.format = "s16p"
    encoder.options = {"compression_level": "9"}  # LAME at its quickest
    resampler = av.AudioResampler(format="s16p", layout="mono", rate=SAMPLE_RATE, frame_size=576)
    frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = sample_rate
    frames = [*resampler.resample(frame), *resampler.resample(None), None]
    return b"".join(bytes(packet) for made in frames for packet in encoder.encode(made))
