"""One client's conversation: takes its messages, runs its turns one at a time, and ends them when told to."""

import asyncio
import secrets
import time

import msgspec
import structlog
from msgspec import UNSET, UnsetType
from pydub import AudioSegment

from simplevoice import messages
from simplevoice.config import Config
from simplevoice.conversation.listening import PreparedTurn
from simplevoice.conversation.microphone import Microphone
from simplevoice.conversation.notices import error_message
from simplevoice.conversation.pipeline import TurnRequest
from simplevoice.conversation.settings import Settings
from simplevoice.conversation.turn import Turn, TurnContext
from simplevoice.conversation.turn_queue import TurnQueue
from simplevoice.conversation.utterance import Recording, Speech, Typed, Utterance
from simplevoice.engines.lent import Lender
from simplevoice.errors import BusyError, RateLimitedError, SimpleVoiceError
from simplevoice.history import History
from simplevoice.observation import Observation
from simplevoice.protocol import (
    AnyClientMessage,
    AudioEnd,
    AudioMessage,
    AudioStart,
    Interrupt,
    Ping,
    Pong,
    ResetConversation,
    SessionUpdate,
    SpeechEnd,
    SpeechStart,
    TextMessage,
    VadState,
    VadUpdate,
    decode,
)
from simplevoice.rates import audio_allowed
from simplevoice.registry import Connection, ConnectionState
from simplevoice.speech.turn_detector import Activity
from simplevoice.tts import Voice
from simplevoice.turnstile import Turnstile
from simplevoice.types import Language

log = structlog.get_logger(__name__)

VAD_UPDATE_SECONDS = 0.2


class Conversation:
    """One client's conversation."""

    __slots__ = (
        "_config",
        "_connection",
        "_context",
        "_history",
        "_microphone",
        "_moved",
        "_receiving",
        "_settings",
        "_stopped",
        "_turns",
        "_unheard",
        "_vad_updated",
    )

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        *,
        lender: Lender,
        config: Config,
        history: History,
        observation: Observation,
        turnstile: Turnstile,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._config = config
        self._history = history
        self._context = TurnContext(
            connection,
            lender,
            config,
            history,
            observation,
            turnstile,
            audio_allowed(config.limits),
            settings.audio_transport,
        )
        self._moved: asyncio.Event | None = None
        """Set when ``_busy`` may have changed, for who waits for that."""
        self._turns = TurnQueue(connection.id, config.limits, self._note_move)
        self._microphone = Microphone(self, settings.turn_detection, lender, config)
        self._stopped = False
        self._receiving = 0
        """Messages that are being handled."""
        self._unheard: AudioSegment | None = None
        """Speech of a turn that was interrupted before it was transcribed: the next turn begins with it."""
        self._vad_updated = 0.0

    # What the connection asks

    @property
    def state(self) -> ConnectionState:
        """What the conversation is doing."""
        return self._turns.state or ("listening" if self._microphone.on else "idle")

    @property
    def waiting(self) -> int:
        """How many utterances wait behind the turn in progress."""
        return self._turns.waiting

    @property
    def streaming(self) -> bool:
        """Whether binary messages belong to a stream, which is bounded by its length and not by their number."""
        return self._microphone.takes_pieces

    async def receive(self, data: str | bytes) -> None:
        """Take a message. What is wrong with it is answered, and changes nothing."""
        if self._stopped:
            return
        self._receiving += 1
        try:
            if isinstance(data, str):
                await self._handle(decode(data))
            elif not await self._microphone.take(data):
                self._turns.submit(self._turn(Recording(data)))
        except SimpleVoiceError as error:
            await self._refuse(error)
        finally:
            self._receiving -= 1
            self._note_move()

    async def _refuse(self, error: SimpleVoiceError) -> None:
        log.info("message_refused", connection_id=self._connection.id, code=error.code, error=str(error))
        await self._connection.send(error_message(error, self.language))

    async def stop(self, reason: str = "") -> None:
        """End the turn in progress and forget those that wait; ``replaced`` is told to the client.

        Nothing is taken any more, also of a message that another task is at.
        """
        self._stopped = True
        await self._turns.stop("replaced" if reason == "replaced" else None)
        await self._microphone.drop()

    async def finish(self) -> None:
        """Wait until no turn is in progress or waiting, and nobody is in the middle of an utterance."""
        self._moved = self._moved or asyncio.Event()
        while self._busy:
            self._moved.clear()
            await self._moved.wait()

    def _note_move(self) -> None:
        if self._moved is not None:
            self._moved.set()

    @property
    def _busy(self) -> bool:
        return self._turns.working or self._receiving > 0 or self._microphone.hearing

    # What the client sends

    async def _handle(self, message: AnyClientMessage) -> None:
        match message:
            case Ping():
                await self._connection.send(Pong())
            case AudioMessage():
                self._turns.submit(self._turn(Recording(message.audio_data, message.format), message.language))
            case TextMessage():
                self._turns.submit(self._turn(Typed(message.text), message.language))
            case AudioStart():
                await self._microphone.start(message)
            case AudioEnd():
                await self._microphone.end()
            case Interrupt():
                await self._interrupt(message)
            case SessionUpdate():
                self._settings.update(message)
                self._connection.language = self._settings.language
                self._connection.voice_type = self._settings.voice_type
            case ResetConversation():
                self._history.clear()
                self._unheard = None
                self._turns.forget()

    async def _interrupt(self, message: Interrupt) -> None:
        """Interrupt the turn that is named, or whatever is being worked on or played; ``played_ms`` is of the first.

        Who names a turn that was talked over tells how much of it was played.
        """
        played_ms = None if message.played_ms is UNSET else message.played_ms
        turns = self._turns.interruptible if message.turn_id is UNSET else self._turns.named(message.turn_id)
        for turn in turns:
            await self._turns.cut(turn, "client", played_ms)
            played_ms = None

    # What a stream finds

    @property
    def language(self) -> Language:
        """What is spoken."""
        return self._settings.language

    @property
    def speaking(self) -> bool:
        """Whether a reply is being spoken, as far as can be known."""
        return self._turns.speaking

    def sent(self, audio_ms: int) -> None:
        """Count what came by its length, silence too: it is decoded and listened to. Raises RateLimitedError."""
        self._context.audio_allowed.take(audio_ms)

    def stream_dropped(self) -> None:
        """Forget what was not heard yet of a stream that is no more."""
        self._unheard = None

    async def speech_started(self, offset_ms: int) -> None:
        """Tell the client, and stop speaking."""
        text = messages.text("speech_start", self.language)
        await self._connection.send(SpeechStart(message=text, offset_ms=offset_ms))
        for turn in self._turns.interruptible:
            if not turn.understood and isinstance(turn.request.utterance, Speech):
                self._unheard = turn.request.utterance.audio
            await self._turns.cut(turn, "speech")

    async def speech_ended(self, offset_ms: int) -> None:
        """Tell the client."""
        text = messages.text("speech_end", self.language)
        await self._connection.send(SpeechEnd(message=text, offset_ms=offset_ms))

    async def vad_changed(self, activity: Activity) -> None:
        """Tell the client, at most five times a second."""
        now = time.monotonic()
        if now - self._vad_updated >= VAD_UPDATE_SECONDS:
            self._vad_updated = now
            await self._connection.send(VadUpdate(state=VadState(**msgspec.structs.asdict(activity))))

    def prepare(self, audio: AudioSegment, silence_ms: int) -> Turn | None:
        """Begin to work on what may be a turn; None while another one is in progress, or others need the place."""
        if self._turns or self._stopped:
            return None
        turn = self._detected_turn(audio, silence_ms, verified=True)
        return turn if self._turns.prepare(turn) else None

    async def take(
        self, audio: AudioSegment, prepared: PreparedTurn | None, silence_ms: int, *, verified: bool
    ) -> None:
        """Answer a turn of the stream. One too many is told to the client, and the stream goes on."""
        turn = prepared if isinstance(prepared, Turn) else None
        if turn is not None and (turn.halted or self._is_outdated(turn.request)):
            await turn.cancel()
            turn = None
        if turn is None:
            turn = self._detected_turn(audio, silence_ms, verified=verified)
        self._unheard = None
        turn.endpoint_ms = silence_ms if verified else None
        if self._stopped:
            await turn.cancel()
            return
        try:
            self._turns.submit(turn)
        except (BusyError, RateLimitedError) as error:
            await turn.cancel()
            await self._refuse(error)

    def _detected_turn(self, audio: AudioSegment, silence_ms: int, *, verified: bool) -> Turn:
        if self._unheard is not None:
            audio = self._unheard + audio
            audio = audio[max(0, len(audio) - round(self._config.limits.max_audio_seconds * 1000)) :]
        return self._turn(Speech(audio, verified), ended_at=time.monotonic() - silence_ms / 1000)

    # Turns

    def _turn(
        self, utterance: Utterance, language: Language | UnsetType = UNSET, ended_at: float | None = None
    ) -> Turn:
        settings = self._settings
        request = TurnRequest(
            utterance=utterance,
            voice=self._voice(settings.language if language is UNSET else language),
            audio_format=settings.audio_format,
            streaming=settings.response_mode == "stream",
            instructions=self._settings.instructions,
            ended_at=time.monotonic() if ended_at is None else ended_at,
        )
        return Turn(f"turn_{secrets.token_hex(6)}", request, self._context)

    def _voice(self, language: Language) -> Voice:
        return Voice(language, self._settings.voice_type, self._settings.voice, self._settings.rate)

    def _is_outdated(self, request: TurnRequest) -> bool:
        """Whether the settings were changed since a turn was prepared with them."""
        return request.voice != self._voice(self.language) or request.instructions != self._settings.instructions
