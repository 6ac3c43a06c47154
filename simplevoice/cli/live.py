"""``simplevoice talk`` with microphone and loudspeakers: a conversation hands-free, until ctrl-C."""

import asyncio
import signal
from contextlib import ExitStack

import click
import msgspec
import numpy as np

from simplevoice import protocol
from simplevoice.cli.connecting import converse
from simplevoice.cli.keys import on_key
from simplevoice.cli.live_view import QUIET_DB, Scene, State, View
from simplevoice.cli.output import console
from simplevoice.cli.sound_device import FRAME_BYTES, SoundDevice
from simplevoice.cli.target import Target
from simplevoice.client import Conversation, Opening, Outcome
from simplevoice.errors import ConnectionFailedError
from simplevoice.types import INPUT_SAMPLE_RATE

STREAM: Opening = {
    "turn_detection": "server_vad",
    "response_mode": "stream",
    "audio_format": "pcm16",
    "audio_transport": "binary",
}
SILENCE = bytes(FRAME_BYTES)
WAITING_FRAMES = 100
"""Two seconds of microphone; while the daemon takes nothing for longer, the oldest are dropped."""
MICROPHONE_SECONDS = 5.0
"""A microphone that gives nothing for this long was pulled out."""
ECHO_SECONDS = 0.3
"""So long after the last sound, the loudspeakers may still be heard in the room."""
REFRESH_SECONDS = 0.1


class LivePlan(msgspec.Struct, frozen=True):
    """Where to talk and what to ask for. With ``headset`` the microphone stays open while a reply is played."""

    daemon: Target
    opening: Opening
    headset: bool
    raw: bool


async def talk_live(plan: LivePlan, device: SoundDevice) -> None:
    """Talk until cancelled, or SIGTERM. Raises ConnectionFailedError, ClickException where there is no sound."""
    opening: Opening = {**plan.opening, **STREAM}
    talking = asyncio.current_task()
    assert talking is not None  # noqa: S101 - a coroutine runs in one
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, talking.cancel)  # or the terminal would stay as it is
    async with converse(plan.daemon, click.echo if plan.raw else None, **opening) as conversation:
        view = View(console(), silent=plan.raw)
        await LiveTalk(conversation, device, view, headset=plan.headset).run()


class LiveTalk:
    """One live conversation: the microphone goes out, replies go to the loudspeakers, and the view shows both."""

    def __init__(self, conversation: Conversation, device: SoundDevice, view: View, *, headset: bool) -> None:
        self._conversation = conversation
        self._device = device
        self._view = view
        self._headset = headset
        self._frames: asyncio.Queue[bytes] = asyncio.Queue(WAITING_FRAMES)
        self._stop_asked = asyncio.Event()
        self._deaf_until = 0.0
        self._state: State = "listening"
        self._scene = Scene(conversation.established.config.language)

    async def run(self) -> None:
        """Talk until cancelled."""
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            stack.callback(self._device.close)
            await asyncio.to_thread(self._device.open, lambda frame: loop.call_soon_threadsafe(self._hear, frame))
            stack.enter_context(on_key(self._stop_asked.set))
            stack.enter_context(self._view)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for work in (self._send(), self._receive(), self._stop(), self._draw()):
                        tasks.create_task(work)
            except* (ConnectionFailedError, click.ClickException) as failures:
                raise failures.exceptions[0] from None

    def _hear(self, frame: bytes) -> None:
        """Take a frame of the microphone; without a headset it is deaf while the loudspeakers sound."""
        if not self._headset and self._hears_itself():
            frame = SILENCE
        self._scene.level = level(frame)
        if self._frames.full():
            self._frames.get_nowait()
        self._frames.put_nowait(frame)

    def _hears_itself(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._device.playing:
            self._deaf_until = now + ECHO_SECONDS
        return now < self._deaf_until

    async def _send(self) -> None:
        await self._conversation.send(protocol.AudioStart(format="pcm16", sample_rate=INPUT_SAMPLE_RATE))
        while True:
            try:
                async with asyncio.timeout(MICROPHONE_SECONDS):
                    frame = await self._frames.get()
            except TimeoutError:
                raise click.ClickException("the microphone gives no sound any more") from None
            await self._conversation.send(frame)

    async def _receive(self) -> None:
        while True:
            self._take(await self._conversation.receive())

    def _take(self, message: protocol.AnyServerMessage) -> None:
        match message:
            case protocol.SpeechStart():
                self._state = "hearing"
            case protocol.SpeechEnd():
                self._state = "listening"
            case protocol.TurnProcessingStarted():
                self._state, self._scene.heard, self._scene.reply = "thinking", "", ""
            case protocol.Transcription():
                self._scene.heard, self._scene.language = message.text, message.language
            case protocol.ResponseText():
                self._scene.reply = f"{self._scene.reply} {message.text}".lstrip()
            case protocol.AudioChunk():
                self._device.play(message.audio_base64 or b"")
            case protocol.Interrupted():
                self._device.flush()
                self._end(message)
            case protocol.VoiceResponse() | protocol.Guidance() | protocol.ErrorMessage():
                self._end(message)

    def _end(self, outcome: Outcome) -> None:
        """Show how a turn ended. What the user began to say meanwhile goes on being heard."""
        self._view.show(outcome)
        self._scene.heard = self._scene.reply = ""
        if self._state == "thinking":
            self._state = "listening"

    async def _stop(self) -> None:
        """Stop the reply whenever a key asks for it."""
        while True:
            await self._stop_asked.wait()
            self._stop_asked.clear()
            self._device.flush()
            await self._conversation.send(protocol.Interrupt())

    async def _draw(self) -> None:
        while True:
            self._scene.state = "speaking" if self._device.playing else self._state
            self._view.draw(self._scene)
            await asyncio.sleep(REFRESH_SECONDS)


def level(frame: bytes) -> float:
    """Measure 16-bit sound in dBFS, no less than what the meter shows."""
    samples = np.frombuffer(frame, "<i2").astype(np.float64)
    power = float((samples**2).mean()) / 32768**2
    return max(QUIET_DB, 10 * float(np.log10(power))) if power else QUIET_DB
