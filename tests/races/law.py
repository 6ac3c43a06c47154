"""What a client may rely on, whatever happens: checked on all that one client received, in order."""

from collections.abc import Sequence

from simplevoice.history import Exchange
from simplevoice.protocol import (
    AnyServerMessage,
    AudioChunk,
    ErrorMessage,
    Guidance,
    Interrupted,
    ProcessingStarted,
    ResponseText,
    Transcription,
    TurnProcessingStarted,
    VoiceResponse,
)


class _Turn:
    def __init__(self) -> None:
        self.heard: str | None = None
        self.pieces: list[str] = []
        self.chunks = 0
        self.end: VoiceResponse | Guidance | ErrorMessage | Interrupted | None = None

    @property
    def must_be_kept(self) -> bool:
        """An error without a sound is no exchange."""
        return isinstance(self.end, VoiceResponse | Interrupted) or (self.end is not None and self.chunks > 0)

    def take(self, message: AnyServerMessage) -> None:
        match message:
            case Interrupted():
                # A reply that came to its end may still be playing.
                assert self.end is None or isinstance(self.end, VoiceResponse) or self.chunks, "interrupts nothing"
                assert not isinstance(self.end, Interrupted), "interrupted twice"
                self.end = message
                return
            case _:
                assert self.end is None, f"{message} follows {self.end}"
        match message:
            case Transcription():
                assert self.heard is None
                self.heard = message.text
            case ResponseText():
                assert self.heard is not None
                assert message.index == len(self.pieces)
                self.pieces.append(message.text)
            case AudioChunk():
                assert self.pieces
                assert message.seq == self.chunks
                self.chunks += 1
            case VoiceResponse():
                assert message.response_text == " ".join(self.pieces) or not self.pieces
                self.end = message
            case Guidance() | ErrorMessage():
                self.end = message
            case _:
                raise AssertionError(f"{message} is of no turn")


def assert_lawful(received: Sequence[AnyServerMessage], *, closed: bool = False) -> list[_Turn]:
    """One turn at a time; it begins before all else of it, has one end, and nothing comes after that.

    A turn that is on when the connection is ``closed`` has no end.
    """
    turns: dict[str, _Turn] = {}
    current: _Turn | None = None
    for message in received:
        turn_id = getattr(message, "turn_id", None)
        if not isinstance(turn_id, str):
            continue
        if isinstance(message, ProcessingStarted | TurnProcessingStarted):
            assert turn_id not in turns, "begins twice"
            assert current is None or current.end is not None, "a turn begins while another one is in progress"
            current = turns[turn_id] = _Turn()
            continue
        assert turn_id in turns, f"{message} before its turn began"
        turns[turn_id].take(message)
    assert closed or current is None or current.end is not None, "a turn without an end"
    return list(turns.values())


def assert_remembered(received: Sequence[AnyServerMessage], exchanges: Sequence[Exchange]) -> None:
    """What was said and heard is remembered, once and in order; for streamed turns whose transcripts differ."""
    turns = {turn.heard: turn for turn in assert_lawful(received, closed=True) if turn.heard is not None}
    users = [exchange.user for exchange in exchanges]
    kept = [user for user in users if user in turns]
    assert len(users) == len(set(users)), "remembered twice"
    assert kept == [heard for heard in turns if heard in kept], "remembered in another order"
    for heard, turn in turns.items():
        assert heard in kept or not turn.must_be_kept, "forgotten"
    for exchange in exchanges:
        if exchange.user not in turns:
            # Understood and interrupted before the client was told: nothing was heard of the reply.
            assert exchange.assistant == ""
            continue
        match turns[exchange.user].end:
            case Interrupted(heard_text=text) | VoiceResponse(response_text=text):
                assert exchange.assistant == text
