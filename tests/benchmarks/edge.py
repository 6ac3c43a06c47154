"""A reply through Edge: ours sends its first sentence while it is made; the yardstick saves the whole, and encodes it.

The service is the emulator in a thread of its own, as far away and as fast as in the issue that these figures answer.
"""

import asyncio
import base64
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from unittest.mock import patch

import aiohttp.connector
import edge_tts
import msgspec

from simplevoice.config import LimitsConfig, ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.conversation.pipeline import Audio, Event, Pipeline, TurnRequest
from simplevoice.conversation.utterance import Typed
from simplevoice.engines.lent import Engines
from simplevoice.history import History
from simplevoice.protocol import AudioChunk, encode
from simplevoice.tts import Voice
from simplevoice.tts.policy import SpeechPolicy, create_policy
from simplevoice.types import OUTPUT_SAMPLE_RATE
from tests.benchmarks.result import Check, Result, Row, quantile, side_by_side
from tests.edge import EdgeEmulator, Pace
from tests.edge.distance import Distance
from tests.edge.emulator import EdgeResolver
from tests.fakes.engines import FakeEngines

ROUND_TRIP_SECONDS = 0.08
PACE = Pace(first_audio_seconds=0.15, speed=8)
SENTENCES = (
    "The museum opens at nine in the morning and closes at six. ",
    "On Fridays it stays open until ten, and the entrance is free.",
)
VOICE = Voice("en", "female")
TIMES, COLD_TIMES = 30, 10
MOST = 0.35


async def run(times: int = TIMES, cold_times: int = COLD_TIMES) -> Result:
    """Speak the same two sentences, whose text is there at the beginning."""
    with _far_service() as port, patch.object(aiohttp.connector, "DefaultResolver", lambda **_: EdgeResolver(port)):
        async with _speaker() as speaker:
            heard: list[_Heard] = []
            for side in (partial(_ours, speaker, heard), _yardstick):
                await side()
            heard.clear()
            ours, yardstick = await side_by_side(partial(_ours, speaker, heard), _yardstick, times)
        cold = [await _ours_from_nothing() for _ in range(cold_times)]
    gap = max(reply.gap_ms for reply in heard)
    return Result(
        [Row("first audio of a two-sentence reply", "ms", ours, yardstick, MOST)],
        [Check("longest silence that is heard between the sentences", f"{gap:.0f} ms", met=gap == 0)],
        f"With no connection open, as for the first answer after a pause: {quantile(cold, 0.5):.0f} ms "
        f"(median of {len(cold)}), where there was nothing else to do before there was a text.",
    )


class _Lender:
    """Lends an engine that speaks, and others that cost nothing."""

    def __init__(self, speaker: SpeechPolicy) -> None:
        fakes = FakeEngines()
        fakes.model.pieces = list(SENTENCES)
        self.engines = msgspec.structs.replace(fakes.engines, speaker=speaker)

    def lend(self) -> AbstractContextManager[Engines]:
        return nullcontext(self.engines)


class _Heard:
    """What a client gets of one reply that it plays from the first chunk on."""

    def __init__(self) -> None:
        self.first_ms = 0.0
        self.gap_ms = 0.0
        self._begun = time.perf_counter()
        self._played_until_ms = 0.0
        self._chunks = 0

    async def take(self, event: Event) -> None:
        """Encode a chunk for the wire, and note when."""
        if not isinstance(event, Audio) or not event.data:
            return
        encode(AudioChunk("turn", self._chunks, "mp3", OUTPUT_SAMPLE_RATE, len(event.data), event.data))
        now_ms = (time.perf_counter() - self._begun) * 1000
        if self._chunks == 0:
            self.first_ms = self._played_until_ms = now_ms
        self.gap_ms = max(self.gap_ms, now_ms - self._played_until_ms)
        self._played_until_ms = max(now_ms, self._played_until_ms) + event.duration_ms
        self._chunks += 1


async def _ours(speaker: SpeechPolicy, heard: list[_Heard]) -> float:
    """Run a turn in which everything but speech costs nothing; gives the ms to its first audio."""
    request = TurnRequest(utterance=Typed("When?"), voice=VOICE, audio_format="mp3", streaming=True)
    reply = _Heard()
    await Pipeline(request, History(1), _Lender(speaker), LimitsConfig(), reply.take).run()
    heard.append(reply)
    return reply.first_ms


async def _ours_from_nothing() -> float:
    async with _speaker() as speaker:
        return await _ours(speaker, [])


async def _yardstick() -> float:
    """Do as the first version of this system did; gives the ms to the same place."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reply.mp3")
        await edge_tts.Communicate("".join(SENTENCES), "en-US-JennyNeural").save(str(path))
        base64.b64encode(path.read_bytes())
        return (time.perf_counter() - begun) * 1000


@asynccontextmanager
async def _speaker() -> AsyncIterator[SpeechPolicy]:
    """The default engines of the daemon."""
    speaker = create_policy(TtsConfig(), VoicesConfig(), ModelsConfig())
    await speaker.load()
    try:
        yield speaker
    finally:
        await speaker.close()


@contextmanager
def _far_service() -> Iterator[int]:
    """Give the port at which the service is, as far away as it shall be."""
    there: Future[int] = Future()
    over = threading.Event()

    async def serve() -> None:
        async with EdgeEmulator(pace=PACE) as edge:
            way = Distance(edge.port, ROUND_TRIP_SECONDS)
            await way.start()
            there.set_result(way.port)
            await asyncio.to_thread(over.wait)
            await way.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="edge")
    thread.start()
    try:
        yield there.result(timeout=30)
    finally:
        over.set()
        thread.join()
