"""Who listens to the replies: libav decodes them, and a Whisper that shares no code with the daemon hears them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from io import BytesIO

import av
import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from pydub import AudioSegment

from simplevoice.models.store import ModelStore
from simplevoice.types import OUTPUT_SAMPLE_RATE, AudioFormat, Language
from tests.media import DATA

RATE = 16_000
WINDOW_SAMPLES = 30 * RATE

UNDERSTOOD = 0.6
"""The share of a reply's words that Whisper base has to hear when espeak's male voice speaks: on ten replies, 0.83."""

SAID = dict(re.findall(r"^\| (\S+)\.wav \| ([^|(]+?) [|(]", (DATA / "README.md").read_text(), re.MULTILINE))
"""What is said in each recording of tests/data."""


def words(text: str) -> list[str]:
    """The words of a text, without case, punctuation, Arabic vowel marks and the seats of the hamza."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return re.findall(r"\w+", "".join(char for char in plain if not unicodedata.combining(char)))


def share_of_words(said: str, heard: str) -> float:
    """Which share of the words that were said was heard, 0 to 1."""
    wanted, got = Counter(words(said)), Counter(words(heard))
    return sum((wanted & got).values()) / sum(wanted.values())


def decode_reply(data: bytes, audio_format: AudioFormat) -> AudioSegment:
    """Decode a reply as a player would: 24 kHz mono 16-bit."""
    if audio_format == "pcm16":
        return AudioSegment(data, sample_width=2, frame_rate=OUTPUT_SAMPLE_RATE, channels=1)
    with av.open(BytesIO(data), "r") as container:
        stream = container.streams.audio[0]
        assert stream.channels == 1
        resampler = av.AudioResampler("s16", "mono", OUTPUT_SAMPLE_RATE)
        frames = [part for frame in [*container.decode(stream), None] for part in resampler.resample(frame)]
    pcm = b"".join(frame.to_ndarray().tobytes() for frame in frames)
    return AudioSegment(pcm, sample_width=2, frame_rate=OUTPUT_SAMPLE_RATE, channels=1)


class Listener:
    """faster-whisper as it comes, with the base model."""

    def __init__(self, store: ModelStore) -> None:
        self._model = WhisperModel(str(store.path("whisper-base")), device="cpu", compute_type="int8", cpu_threads=2)

    def hear(self, audio: AudioSegment, language: Language) -> str:
        """Transcribe."""
        segments, _ = self._model.transcribe(
            _samples(audio), language=language, temperature=0.0, condition_on_previous_text=False
        )
        return " ".join(segment.text for segment in segments)

    def likeliest(self, audio: AudioSegment, candidates: Sequence[str], language: Language) -> str:
        """Tell which of several texts was spoken: the one of the highest average log probability of its tokens.

        It needs no free recognition, which a plain synthetic voice may be too much for. At most 30 s.
        """
        samples = _samples(audio)
        padded = np.pad(samples, (0, WINDOW_SAMPLES - len(samples)))
        mel = self._model.feature_extractor(padded, padding=0)
        encoded = self._model.model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mel[np.newaxis])))
        tokenizer = Tokenizer(self._model.hf_tokenizer, multilingual=True, task="transcribe", language=language)

        def likelihood(text: str) -> float:
            [alignment] = self._model.model.align(
                encoded, tokenizer.sot_sequence, [tokenizer.encode(text)], len(samples) * 100 // RATE
            )
            return float(np.mean(np.log(np.maximum(alignment.text_token_probs, 1e-9))))

        return max(candidates, key=likelihood)


def _samples(audio: AudioSegment) -> "np.typing.NDArray[np.float32]":
    pcm = audio.set_frame_rate(RATE).raw_data
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32768)
