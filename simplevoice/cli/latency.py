"""How long a person waits for an answer: figures from the messages of a turn and the times at which they came.

Times are in seconds of one monotonic clock, figures in ms. They count from the moment at which the last frame that
holds speech was sent.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from simplevoice import protocol
from simplevoice.types import INPUT_SAMPLE_RATE, OUTPUT_SAMPLE_RATE

FRAME_SECONDS = 0.02
FRAME_BYTES = INPUT_SAMPLE_RATE * 2 // 50
SPEECH_DB = 35
"""A frame is speech when its RMS is within this of the loudest frame's."""
AUDIBLE = 32768 * 10 ** (-45 / 20)
"""-45 dBFS: where a reply begins to be heard."""

TURN_SECONDS = 60.0
"""An exchange that is not over after this time is given up."""
NO_TURN_SECONDS = 6.0
"""Without a turn by then there will be none: no silence that ends a turn can be set to more than 5 s."""
QUIET_SECONDS = 2.0
"""So long after everything was answered, nothing more comes."""

Outcome = Literal["answered", "early", "not understood", "failed", "no answer", "no turn"]


class Arrival(NamedTuple):
    """A message and when it came; with ``sound`` where it announced some, and when that came."""

    at: float
    message: protocol.AnyServerMessage
    sound: bytes = b""


class TurnFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one utterance met. ``outcome`` is of the last turn; ``early`` when its answer came into the speech.

    ``splits``: turns too many. ``endpoint_ms``: until that turn was declared over. ``first_sound_ms``: until any sound,
    ``answer_ms``: until that of the answer that stays, ``audible_ms``: until that is loud enough to be heard.
    ``stages``: the daemon's own, from where it heard the speech end. ``lag_ms``: how late frames were sent, at worst.
    """

    clip: str
    client: int
    outcome: Outcome
    splits: int
    endpoint_ms: float | None = None
    first_sound_ms: float | None = None
    answer_ms: float | None = None
    audible_ms: float | None = None
    stages: protocol.Timings | None = None
    lag_ms: float


class Spread(msgspec.Struct, frozen=True):
    """How a figure is distributed; p90 is of the nearest rank."""

    median: float
    p90: float
    max: float


class Summary(msgspec.Struct, frozen=True):
    """The figures of some turns by name, those of the stages under the names of ``timings``."""

    turns: int
    answered: int
    split: int
    figures: dict[str, Spread]
    stages: dict[str, Spread]


class _Turn:
    """A turn that was announced."""

    def __init__(self, at: float) -> None:
        self.began = at
        self.sound: list[Arrival] = []
        self.end: protocol.AnyServerMessage | None = None


def speech_frames(pcm: bytes) -> list[bytes]:
    """Cut 16 kHz mono 16-bit sound into frames of 20 ms, up to the last one that holds speech."""
    pcm += bytes(-len(pcm) % FRAME_BYTES)
    samples = np.frombuffer(pcm, "<i2").astype(np.float64).reshape(-1, FRAME_BYTES // 2)
    power = (samples**2).mean(axis=1)
    last = int(np.flatnonzero(power >= power.max() / 10 ** (SPEECH_DB / 10))[-1])
    return [pcm[n * FRAME_BYTES : (n + 1) * FRAME_BYTES] for n in range(last + 1)]


def listen_until(spoken_at: float, arrivals: Sequence[Arrival], *, plays: bool = False) -> float:
    """Tell when an exchange is over if nothing more comes; for who ``plays`` the answer, not before its end."""
    turns = _turns(arrivals)
    begun = sum(isinstance(arrival.message, protocol.SpeechStart) for arrival in arrivals)
    if begun > len(turns) or any(turn.end is None for turn in turns):
        return spoken_at + TURN_SECONDS
    if not turns:
        return spoken_at + NO_TURN_SECONDS
    played = turns[-1].sound[0].at + _sound_seconds(turns[-1]) if plays and turns[-1].sound else 0.0
    return min(max(spoken_at, arrivals[-1].at, played) + QUIET_SECONDS, spoken_at + TURN_SECONDS)


def turn_figures(
    clip: str, client: int, spoken_at: float, arrivals: Sequence[Arrival], lag_seconds: float
) -> TurnFigures:
    """Work out what an utterance met. Turns of before it, which are not announced in ``arrivals``, don't count."""
    turns = _turns(arrivals)
    outcome = _outcome(turns, spoken_at)
    sounds = [chunk.at for turn in turns for chunk in turn.sound if chunk.at > spoken_at]
    figures = TurnFigures(
        clip=clip,
        client=client,
        outcome=outcome,
        splits=max(0, len(turns) - 1),
        first_sound_ms=_ms(min(sounds) - spoken_at) if sounds else None,
        lag_ms=_ms(lag_seconds),
    )
    return _with_answer(figures, turns[-1], spoken_at) if outcome == "answered" else figures


def _with_answer(figures: TurnFigures, turn: _Turn, spoken_at: float) -> TurnFigures:
    begins = turn.sound[0].at - spoken_at
    lead = _lead_seconds(turn.sound)
    return msgspec.structs.replace(
        figures,
        endpoint_ms=_ms(turn.began - spoken_at),
        answer_ms=_ms(begins),
        audible_ms=None if lead is None else _ms(begins + lead),
        stages=turn.end.timings if isinstance(turn.end, protocol.VoiceResponse) else None,
    )


def summarize(turns: Sequence[TurnFigures]) -> Summary:
    """Sum up turns. A figure that none of them has is left out."""
    names = [field.name for field in msgspec.structs.fields(TurnFigures) if field.name.endswith("_ms")]
    stages = [turn.stages for turn in turns if turn.stages]
    return Summary(
        turns=len(turns),
        answered=sum(turn.outcome == "answered" for turn in turns),
        split=sum(turn.splits > 0 for turn in turns),
        figures=spreads(names, turns),
        stages=spreads(protocol.Timings.__struct_fields__, stages),
    )


def spreads(names: Iterable[str], structs: Sequence[msgspec.Struct]) -> dict[str, Spread]:
    """Tell how the fields of these names are distributed; one that none of the structs has is left out."""
    columns = {name: sorted(v for struct in structs if (v := getattr(struct, name)) is not None) for name in names}
    return {
        name: Spread(statistics.median(values), values[math.ceil(0.9 * len(values)) - 1], values[-1])
        for name, values in columns.items()
        if values
    }


def _turns(arrivals: Sequence[Arrival]) -> list[_Turn]:
    """Put messages to the turns that were announced, in order."""
    turns: dict[str, _Turn] = {}
    for arrival in arrivals:
        match arrival.message:
            case protocol.TurnProcessingStarted(turn_id=name):
                turns[name] = _Turn(arrival.at)
            case protocol.AudioChunk(turn_id=name) if name in turns:
                turns[name].sound.append(arrival)
            case (
                protocol.VoiceResponse(turn_id=name)
                | protocol.Guidance(turn_id=name)
                | protocol.ErrorMessage(turn_id=str(name))
                | protocol.Interrupted(turn_id=name)
            ) if name in turns:
                turns[name].end = arrival.message
    return list(turns.values())


def _outcome(turns: Sequence[_Turn], spoken_at: float) -> Outcome:
    if not turns:
        return "no turn"
    match turns[-1].end:
        case protocol.Guidance():
            return "not understood"
        case protocol.ErrorMessage():
            return "failed"
        case protocol.VoiceResponse() if turns[-1].sound:
            return "answered" if turns[-1].sound[0].at > spoken_at else "early"
        case _:
            return "no answer"


def _sound_seconds(turn: _Turn) -> float:
    return sum(len(chunk.sound) for chunk in turn.sound) / (2 * OUTPUT_SAMPLE_RATE)


def _lead_seconds(chunks: Sequence[Arrival]) -> float | None:
    """Tell how long a reply is too quiet to be heard; None where it is so throughout."""
    samples = np.frombuffer(b"".join(chunk.sound for chunk in chunks), "<i2").astype(np.int32)
    loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
    return float(loud[0]) / OUTPUT_SAMPLE_RATE if len(loud) else None


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
