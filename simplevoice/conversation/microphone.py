"""What a client sends as binary messages: pieces of a stream, one stream at a time, or whole utterances."""

from msgspec import UNSET

from simplevoice.config import Config
from simplevoice.conversation.listening import AudioStream, DetectedStream, PushToTalkStream, TurnTaker
from simplevoice.engines.lent import Lender
from simplevoice.errors import AudioError, ClientError, ErrorCode, SimpleVoiceError
from simplevoice.protocol import AudioStart
from simplevoice.speech.codec import sniff
from simplevoice.speech.stream import StreamDecoder, begins_stream, open_stream
from simplevoice.types import INPUT_SAMPLE_RATE, InputFormat, TurnDetection


class Microphone:
    """The streams of one connection. What is wrong with a stream is told once, as SimpleVoiceError."""

    __slots__ = ("_config", "_detects", "_failed", "_lender", "_stream", "_taker")

    def __init__(self, taker: TurnTaker, turn_detection: TurnDetection, lender: Lender, config: Config) -> None:
        self._taker = taker
        self._detects = turn_detection == "server_vad"
        self._lender = lender
        self._config = config
        self._stream: AudioStream | None = None
        self._failed = False
        """Whether what still comes belongs to a stream that failed, and is passed over."""

    @property
    def on(self) -> bool:
        """Whether a stream is open."""
        return self._stream is not None

    @property
    def takes_pieces(self) -> bool:
        """Whether binary messages are pieces of a stream, be it one that failed and is passed over."""
        return self.on or self._failed

    @property
    def hearing(self) -> bool:
        """Whether somebody is in the middle of an utterance."""
        return self._stream is not None and self._stream.hearing

    async def start(self, message: AudioStart) -> None:
        """Begin a stream; one that is on is dropped."""
        await self.drop()
        rate = INPUT_SAMPLE_RATE if message.sample_rate is UNSET else message.sample_rate
        self._open(open_stream(message.format, sample_rate=rate, channels=message.channels))

    async def take(self, data: bytes) -> bool:
        """Take a binary message; False says that it belongs to no stream, and is a whole utterance."""
        bound = self._config.limits.max_audio_bytes
        if len(data) > bound:
            details = {"max_bytes": bound}
            raise AudioError("a binary message is too large", code=ErrorCode.AUDIO_TOO_LARGE, details=details)
        if self._detects and (container := self._new_container(data)):
            await self.drop()
            self._open(open_stream(container))
        if self._stream is not None:
            await self._feed(self._stream, data)
        elif self._failed:
            return True
        elif self._detects:
            self._failed = True
            raise _misplaced("audio before audio_start")
        else:
            return False
        return True

    async def end(self) -> None:
        """End the stream, and the utterance."""
        stream, self._stream = self._stream, None
        failed, self._failed = self._failed, False
        if stream is None:
            if failed:
                return
            raise _misplaced("no stream to end")
        try:
            await stream.finish()
        finally:
            await stream.close()

    async def drop(self) -> None:
        """Forget the stream and all work on it."""
        stream, self._stream = self._stream, None
        self._taker.stream_dropped()
        if stream is not None:
            await stream.close()

    def _open(self, decoder: StreamDecoder) -> None:
        self._failed = False
        max_seconds = self._config.limits.max_audio_seconds
        if self._detects:
            self._stream = DetectedStream(decoder, self._taker, self._lender.engines, self._config.turns, max_seconds)
        else:
            self._stream = PushToTalkStream(decoder, self._taker, max_seconds)

    async def _feed(self, stream: AudioStream, data: bytes) -> None:
        try:
            await stream.feed(data)
        except SimpleVoiceError:
            self._failed = True
            await self.drop()
            raise

    def _new_container(self, data: bytes) -> InputFormat | None:
        """The container that begins with this piece. Within a stream only a header can tell, by its magic."""
        if self._stream is None and not self._failed:
            return sniff(data)
        return sniff(data) if begins_stream(data) else None


def _misplaced(problem: str) -> ClientError:
    details = {"field": "type", "allowed": ["audio_start"]}
    return ClientError(problem, code=ErrorCode.INVALID_MESSAGE, details=details)
