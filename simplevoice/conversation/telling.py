"""What a turn tells its client: that it has begun, the reply as it is made, and the end; nothing before its release."""

import asyncio

from msgspec import UNSET

from simplevoice import messages
from simplevoice.conversation.patience import Patience
from simplevoice.conversation.playback import Playback
from simplevoice.protocol import AudioChunk, ProcessingStarted, ServerMessage, TurnProcessingStarted
from simplevoice.registry import Connection
from simplevoice.types import OUTPUT_SAMPLE_RATE, AudioFormat, AudioTransport, Language

BEHIND_SECONDS = 20.0
"""A client that takes a reply so much more slowly than it sounds is dropped: its turn has a place that others want."""


class Telling:
    """The messages of one turn, in order, and the sound of its reply."""

    def __init__(
        self,
        connection: Connection,
        turn_id: str,
        patience: Patience,
        *,
        streaming: bool,
        audio_format: AudioFormat,
        audio_transport: AudioTransport,
    ) -> None:
        self.playback = Playback()
        self.audio = bytearray()
        """The whole sound, unless it is streamed."""
        self.chunks = 0
        """How many pieces of sound have left."""
        self.concluded = False
        """Whether the client was told the end; it may still be playing the reply."""
        self.released = asyncio.Event()
        self._connection = connection
        self._turn_id = turn_id
        self._patience = patience
        self._streaming = streaming
        self._audio_format = audio_format
        self._audio_transport = audio_transport
        self._held: list[ServerMessage] = []
        self._announcing = asyncio.Lock()
        self._announced = False

    async def announce(self, language: Language, *, detected: bool) -> None:
        """Tell once that the turn has begun. No interruption takes that back or comes before it."""
        async with self._announcing:
            if self._announced:
                return
            key = "turn_processing_started" if detected else "processing_started"
            kind = TurnProcessingStarted if detected else ProcessingStarted
            await self._connection.send(kind(turn_id=self._turn_id, message=messages.text(key, language)))
            self._announced = True

    async def release(self) -> None:
        """Let everything through; from now on the client waits."""
        while self._held:
            await self._send(self._held.pop(0))
        self._patience.begin()
        self.released.set()

    async def text(self, message: ServerMessage) -> None:
        """Tell a part of the turn to who gets it in parts, or hold it."""
        if not self._streaming:
            return
        if self.released.is_set():
            await self._send(message)
        else:
            self._held.append(message)

    async def sound(self, data: bytes, piece: int, duration_ms: float) -> None:
        """Send sound of a piece of the reply, or collect it."""
        self.playback.add(piece, duration_ms)
        if not self._streaming:
            self.audio += data
        elif data:
            await self._send_chunk(data)

    def take_audio(self) -> bytes:
        """Give the whole sound, which is then kept no longer."""
        audio, self.audio = bytes(self.audio), bytearray()
        return audio

    async def end(self, message: ServerMessage) -> None:
        """Tell the end."""
        self.concluded = True
        await self._send(message)

    async def _send_chunk(self, data: bytes) -> None:
        binary = self._audio_transport == "binary"
        chunk = AudioChunk(
            turn_id=self._turn_id,
            seq=self.chunks,
            format=self._audio_format,
            sample_rate=OUTPUT_SAMPLE_RATE,
            size=len(data),
            audio_base64=UNSET if binary else data,
        )
        if self.chunks == 0:
            self.playback.begin()
        self.chunks += 1
        await self._send(chunk, data if binary else None)
        self._patience.go_on()
        if self._patience.suspended_seconds > self.playback.duration_ms / 1000 + BEHIND_SECONDS:
            self._connection.drop_slow()

    async def _send(self, message: ServerMessage, payload: bytes | None = None) -> None:
        with self._patience.suspended():
            await self._connection.send(message, payload, self._turn_id)
