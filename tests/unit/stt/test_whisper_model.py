"""What needs no weights; what does stands in tests/integration/test_whisper.py."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from simplevoice.stt.whisper_model import MOST_TOKENS, TIMED_SECONDS, Window, read_result
from simplevoice.types import INPUT_SAMPLE_RATE, Language

END = 100


def window(seconds: float, length: float = 9.0, beam: int = 1, language: Language = "en") -> Window:
    return Window(np.zeros(round(seconds * INPUT_SAMPLE_RATE), np.float32), length, beam, language)


def test_windows_of_a_kind_can_share_a_batch_whatever_their_language() -> None:
    assert window(1).kind == window(5, language="ar").kind
    for other in (window(1, length=10.5), window(1, beam=5), window(TIMED_SECONDS + 1)):
        assert other.kind != window(1).kind


@pytest.mark.parametrize(("seconds", "bound"), [(0, 12), (1, 24), (1.01, 25), (60, MOST_TOKENS)])
def test_the_longer_the_speech_the_more_tokens(seconds: float, bound: int) -> None:
    assert window(seconds).bound == bound


class _Tokenizer:
    eot = END

    def decode(self, tokens: Sequence[int]) -> str:
        return " " + " ".join(str(token) for token in tokens if token < END)


class _Result(NamedTuple):
    sequences_ids: list[list[int]]
    scores: list[float]
    no_speech_prob: float


def read(tokens: list[int], score: float = -0.1) -> Any:
    tokenizer: Any = _Tokenizer()
    return read_result(tokenizer, window(0), _Result([tokens], [score], 0.25))


def test_timestamps_are_no_text_and_do_not_make_it_surer() -> None:
    heard = read([END + 1, 7, 8, END + 50], score=-0.6)
    assert (heard.text, heard.tokens, heard.no_speech_probability, heard.complete) == ("7 8", 2, 0.25, True)
    assert heard.log_probability == pytest.approx(-0.6 * 4 / 3)


@pytest.mark.parametrize("count", [12, 30])
def test_what_a_decoder_said_beyond_the_bound_is_cut_off(count: int) -> None:
    heard = read([5] * count)
    assert heard.tokens == 12
    assert not heard.complete
