"""One client's turn: runs the pipeline, tells the client what comes of it, and knows what was heard of the reply.

A turn can be prepared before it is known that the person has finished: ``start`` sets it to work, and nothing reaches
the client until ``release``. Cancelled before that, it leaves no trace.
"""

import asyncio
import time
from copy import copy

import msgspec
import structlog
from msgspec import UNSET

from simplevoice.config import Config
from simplevoice.conversation.notices import error_message, guidance
from simplevoice.conversation.patience import Patience
from simplevoice.conversation.pipeline import (
    Audio,
    Decoded,
    Event,
    Finished,
    Heard,
    NotHeard,
    Piece,
    Pipeline,
    TurnRequest,
)
from simplevoice.conversation.recollection import Recollection
from simplevoice.conversation.telling import Telling
from simplevoice.conversation.utterance import Typed
from simplevoice.engines.lent import Lender
from simplevoice.errors import SimpleVoiceError, TurnTimeoutError
from simplevoice.history import History
from simplevoice.observation import Observation, Outcome, TurnReport, outcome_of
from simplevoice.protocol import (
    Interrupted,
    InterruptReason,
    ResponseText,
    ServerMessage,
    Timings,
    Transcription,
    VoiceResponse,
)
from simplevoice.rates import Allowance
from simplevoice.registry import Connection
from simplevoice.turnstile import Place, Turnstile
from simplevoice.types import OUTPUT_SAMPLE_RATE, AudioTransport

log = structlog.get_logger(__name__)

STOP_SECONDS = 2.0
"""Work that still runs so long after it was told to stop is left behind: no engine may hold a conversation."""


class TurnContext(msgspec.Struct, frozen=True):
    """What all turns of a connection share."""

    connection: Connection
    lender: Lender
    config: Config
    history: History
    observation: Observation
    turnstile: Turnstile
    audio_allowed: Allowance
    audio_transport: AudioTransport


class Turn:
    """One turn of one client."""

    def __init__(self, turn_id: str, request: TurnRequest, context: TurnContext) -> None:
        self.id = turn_id
        self.request = request
        self._utterance = type(request.utterance).__name__.lower()
        self.endpoint_ms: int | None = None
        """Where the server found the end: milliseconds from the last speech to the decision."""
        self._context = context
        self._connection = context.connection
        limits = context.config.limits
        self._pipeline = Pipeline(request, context.history, context.lender, limits, self._emit)
        self._patience = Patience(limits.turn_timeout_seconds, limits.next_sound_seconds)
        self._telling = Telling(
            context.connection,
            turn_id,
            self._patience,
            streaming=request.streaming,
            audio_format=request.audio_format,
            audio_transport=context.audio_transport,
        )
        self._playback = self._telling.playback
        self._recollection = Recollection(context.history, self._playback)
        self._task: asyncio.Task[None] | None = None
        self._work: asyncio.Task[None] | None = None
        self._place: Place | None = None
        self._over = False
        """Whether nothing more is taken from the pipeline."""
        self._understood = asyncio.Event()
        self._interrupted = False
        self._reported = False

    def start(self) -> None:
        """Set the turn to work as soon as there is a place; what it has to say is held until ``release``."""
        if self._task is None and not self._over:
            self._begin(self._context.turnstile.ask())

    def start_ahead(self) -> bool:
        """Set to work what may become a turn; False when others need the place."""
        place = self._context.turnstile.ask_ahead()
        if place is not None:
            self._begin(place)
        return place is not None

    def _begin(self, place: Place) -> None:
        self._place = place
        self._work = asyncio.create_task(self._run_pipeline(place), name=f"turn {self.id} work")
        self._work.add_done_callback(self._note_late_failure)
        self._task = asyncio.create_task(self._run(self._work), name=f"turn {self.id}")

    async def _run_pipeline(self, place: Place) -> None:
        try:
            await place.wait()
            await self._pipeline.run()
        finally:
            place.leave()
            self._let_go_of_sound()

    def _let_go_of_sound(self) -> None:
        """Keep no recording: an idle connection remembers its last turn, for as long as the reply may be playing."""
        self.request = self._pipeline.request = msgspec.structs.replace(
            self.request, utterance=Typed(self._recollection.said)
        )

    async def release(self) -> None:
        """Tell the client that the turn has begun, and let everything through."""
        await self._announce()
        await self._telling.release()

    async def transcript(self) -> str | None:
        """Wait for what was heard; None when nothing was, or the turn failed before."""
        await self._understood.wait()
        return self._recollection.said or None

    async def wait(self) -> None:
        """Wait for the end, whatever it is, and until nothing runs any more that can be stopped."""
        if self._task is None or self._work is None:
            return
        await asyncio.wait([self._task])
        _, running = await asyncio.wait([self._work], timeout=STOP_SECONDS)
        if running:
            log.error("engine_does_not_stop", connection_id=self._connection.id, turn_id=self.id)

    async def cancel(self) -> None:
        """Stop the work; returns when nothing of it is left. The client is told nothing."""
        self.halt()
        await self.wait()

    def halt(self) -> None:
        """Stop the work, which may take a while to end. The client is told nothing."""
        if self._task is not None:
            self._task.cancel()
        self._stop_work()

    @property
    def halted(self) -> bool:
        """Whether nothing more comes of it."""
        return self._over

    def forget(self) -> None:
        """Let the history remember nothing of this turn."""
        self._recollection.forget()

    @property
    def understood(self) -> bool:
        """Whether it is known what was heard, or that nothing was."""
        return self._understood.is_set()

    @property
    def concluded(self) -> bool:
        """Whether the client was told the end; it may still be playing the reply."""
        return self._telling.concluded

    @property
    def speaking(self) -> bool:
        """Whether sound of the reply has left."""
        return self._telling.chunks > 0

    @property
    def sounded(self) -> bool:
        """Whether there is sound of the reply that the client plays, or has played."""
        return self._playback.begun

    @property
    def playing(self) -> bool:
        """Whether the client, as far as can be known, still plays the reply."""
        return self._playback.playing and not self._interrupted

    async def interrupt(self, reason: InterruptReason | None, played_ms: float | None = None) -> None:
        """Stop working and speaking, tell the client, and let the history hold only what was heard.

        Without a reason nobody is told. The work may take a while to end: ``wait`` for it. A turn that was concluded
        without any sound can't be interrupted any more. Nor can one that was interrupted before, but ``played_ms``
        then corrects an estimate of what was heard.
        """
        if self._interrupted:
            if played_ms is not None:
                self._recollection.correct(played_ms)
            return
        if self.concluded and not self._playback.begun:
            return
        self._interrupted = True
        log.debug("interrupted", connection_id=self._connection.id, turn_id=self.id, reason=reason)
        self._report("interrupted", reason or "disconnected")
        heard = self._recollection.interrupted(reason, played_ms)
        self.halt()
        self._connection.discard(self.id)
        if reason is not None:
            await self._announce()
            await self._connection.send(Interrupted(turn_id=self.id, reason=reason, heard_text=heard))

    def _stop_work(self) -> None:
        """Cancel the work, once: again would hit its clean-up. Its place is free at once, however slow it is to end."""
        if self._work is not None and not self._over:
            self._work.cancel()
        self._over = True
        self._understood.set()
        if self._place is not None:
            self._place.leave()

    async def _announce(self) -> None:
        await self._telling.announce(self.request.language, detected=self.endpoint_ms is not None)

    async def _run(self, work: asyncio.Task[None]) -> None:
        """Bring the work to its end, or leave it: what is cancelled ends when its engine lets it."""
        try:
            if await self._patience.outlast(work):
                await self._conclude(work)
            else:
                self._stop_work()
                await self._fail(TurnTimeoutError("the turn took too long"))
        finally:
            self._understood.set()

    async def _conclude(self, work: asyncio.Task[None]) -> None:
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        match error:
            case None:
                return
            case SimpleVoiceError():
                await self._fail(error)
            case _:
                log.error("turn_crashed", connection_id=self._connection.id, turn_id=self.id, exc_info=error)
                await self._fail(SimpleVoiceError(type(error).__name__))

    def _note_late_failure(self, work: asyncio.Task[None]) -> None:
        if not work.cancelled() and (error := work.exception()) and self._over:
            log.warning("clean_up_failed", connection_id=self._connection.id, turn_id=self.id, error=repr(error))

    async def _fail(self, error: SimpleVoiceError) -> None:
        self._understood.set()
        await self._telling.released.wait()
        self._recollection.failed()
        await self._end(error_message(error, self.request.language, self.id), outcome_of(error), error.code, str(error))

    async def _emit(self, event: Event) -> None:
        """Take an event of the pipeline. While the turn is held, text is kept if the settings allow; all else waits."""
        if self._over:
            raise asyncio.CancelledError  # an engine swallowed the one that was meant for it
        match event:
            case Decoded():
                self._context.audio_allowed.take(event.audio_ms)
            case Heard():
                self._recollection.said = event.text
                self._understood.set()
                if not self._context.config.turns.early_reply:
                    await self._telling.released.wait()
                await self._telling.text(self._transcription(event.text))
            case Piece():
                if not self._context.config.turns.early_speech:
                    await self._telling.released.wait()
                self._recollection.pieces.append(event.text)
                await self._telling.text(ResponseText(turn_id=self.id, index=event.index, text=event.text))
            case NotHeard():
                self._understood.set()
                await self._telling.released.wait()
                message = guidance(event.reason, event.text, self.request.language, self.id)
                await self._end(message, "not_understood", event.reason)
            case Audio():
                await self._telling.released.wait()
                if self.request.streaming and event.data and not self._telling.chunks:
                    self._pipeline.progress.first_audio = self._pipeline.elapsed_ms()
                await self._telling.sound(event.data, event.piece, event.duration_ms)
            case Finished():
                await self._telling.released.wait()
                await self._finish(event)

    def _transcription(self, text: str) -> Transcription:
        return Transcription(turn_id=self.id, text=text, final=True, language=self.request.language)

    async def _finish(self, event: Finished) -> None:
        self._recollection.answered(event.text)
        if not self.request.streaming:
            self._playback.begin()
        timings = self._timings()
        self._connection.message_count += 1
        self._connection.last_response_time_ms = timings.total
        answer = VoiceResponse(
            turn_id=self.id,
            transcription=self._recollection.said,
            response_text=event.text,
            audio_base64=UNSET if self.request.streaming else self._telling.take_audio(),
            audio_format=self.request.audio_format,
            sample_rate=OUTPUT_SAMPLE_RATE,
            duration_ms=event.duration_ms,
            language=self.request.language,
            voice_type=self.request.voice.voice_type,
            response_time_ms=timings.total,
            session_id=self._connection.session_id,
            message_count=self._connection.message_count,
            tts_engine="+".join(event.engines),
            timings=timings,
        )
        await self._end(answer, "answered", times=timings)

    async def _end(
        self,
        message: ServerMessage,
        outcome: Outcome,
        reason: str | None = None,
        problem: str | None = None,
        times: Timings | None = None,
    ) -> None:
        """Tell the client the end, and then those who watch: at once, before it can ask them."""
        times = times or self._timings()
        try:
            await self._telling.end(message)
        finally:
            self._report(outcome, reason, problem, times)

    def _timings(self) -> Timings:
        return self._pipeline.progress.timings(self._pipeline.elapsed_ms(), self.endpoint_ms)

    def _report(
        self, outcome: Outcome, reason: str | None = None, problem: str | None = None, times: Timings | None = None
    ) -> None:
        """Tell those who watch, once, what became of the turn."""
        if self._reported:
            return
        self._reported = True
        request = self.request
        self._context.observation.report(
            TurnReport(
                connection_id=self._connection.id,
                session_id=self._connection.session_id,
                turn_id=self.id,
                language=request.language,
                utterance=self._utterance,
                outcome=outcome,
                reason=reason,
                problem=problem,
                ended_at=time.time() - time.monotonic() + request.ended_at,
                times=times or self._timings(),
                work=copy(self._pipeline.progress),
                reply_ms=round(self._playback.duration_ms),
                words=self._recollection.words if self._context.config.logging.transcripts else None,
            )
        )
