"""Decoding what clients send: ours in the process, against pydub's way, which starts an ffmpeg for each recording."""

import asyncio
import io
import time
from collections.abc import Awaitable, Callable

from pydub import AudioSegment

from simplevoice.speech.codec import decode
from simplevoice.types import InputFormat
from tests.benchmarks.result import Result, Row, side_by_side
from tests.media import encode, recording

CONTAINERS: dict[InputFormat, str] = {"webm": "webm", "mp3": "mp3", "m4a": "mp4"}
"""Names that people know, with those that ffmpeg knows."""
SECONDS = 5
TIMES = 30
MOST = 0.15


async def run(times: int = TIMES) -> Result:
    """Decode the same 5 s of speech, in each container, to 16 kHz mono PCM."""
    speech = recording("en-LJ006-0114.wav")[: SECONDS * 1000]
    result = Result()
    for name, container in CONTAINERS.items():
        data = encode(speech, name)
        ours, yardstick = _timed(_ours, data), _timed(_ffmpeg, data, container)
        for side in (ours, yardstick):
            await side()
        result.rows.append(Row(f"{SECONDS} s of {name}", "ms", *await side_by_side(ours, yardstick, times), MOST))
    return result


def _ours(data: bytes) -> None:
    decode(data, max_seconds=60)


def _ffmpeg(data: bytes, container: str) -> None:
    AudioSegment.from_file(io.BytesIO(data), container).set_channels(1).set_frame_rate(16_000)


def _timed(decoder: Callable[..., None], *arguments: object) -> Callable[[], Awaitable[float]]:
    async def once() -> float:
        begun = time.perf_counter()
        await asyncio.to_thread(decoder, *arguments)
        return (time.perf_counter() - begun) * 1000

    return once
