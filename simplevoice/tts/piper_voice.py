"""A voice of Piper in memory, which makes the beginning of a sentence before its end. All of it blocks."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from simplevoice.tts.onnx_cut import cut
from simplevoice.types import Language

THREADS = 1
"""On two cores a second one makes a short clause 15 % faster, takes twice the processor time for it, and makes two
sentences at once slower."""

FIRST_FRAMES = 40
"""Of a sentence's first piece: half a second of sound, in 40 ms. Each piece is twice as long as the one before: it is
made while that one is played, also when it takes six times as long as it would alone."""

CONTEXT_FRAMES = 12
"""What a piece needs before and behind it to sound as in the whole sentence: the sum of what the convolutions of a
voice of medium quality reach is 10.7."""

LOUDNESS = 0.085
"""RMS of a voice, -21 dBFS. The loudest of 60 sentences then just reaches full scale."""

MEASURED_BY: dict[Language, str] = {
    "en": "The weather is fine today.",
    "ar": "الطقس جميل اليوم.",
}
"""What a voice says once to show how loud it is."""

Floats = npt.NDArray[np.float32]


class PiperVoice:
    """An open voice; any number of threads. One that can't be cut makes each sentence whole.

    It has one loudness for all sentences. Piper itself makes the loudest moment of each as loud as it can be, for which
    it must know the whole; sentences differ by 1.2 dB then (standard deviation), and 0.8 dB as the model makes them.
    """

    def __init__(self, model: Path, language: Language) -> None:
        """Load a voice, whose settings lie beside it. Raises what the libraries raise."""
        # Here and not above: it is an extra, and a list of voices need not wait for it.
        from piper import PiperConfig
        from piper import PiperVoice as Voice

        # It logs the text that it speaks.
        logging.getLogger("piper").setLevel(logging.INFO)
        config = PiperConfig.from_dict(json.loads(model.with_suffix(".onnx.json").read_text()))
        self.sample_rate: int = config.sample_rate
        whole = model.read_bytes()
        halves = cut(whole)
        self._voice = Voice(_open(halves.planner if halves else whole), config)
        self._vocoder = _open(halves.vocoder) if halves else None
        self._gain = 1.0
        spoken = np.concatenate(list(self._sound(MEASURED_BY[language], 1.0)))
        self._gain = LOUDNESS / float(np.sqrt(np.mean(spoken**2)))

    def speak(self, text: str, factor: float) -> Iterator[bytes]:
        """Yield pieces of sound, 16-bit, each made when it is asked for; ``factor`` is the pace."""
        for samples in self._sound(text, factor):
            yield (np.clip(samples * self._gain, -1, 1) * 32767).astype("<i2").tobytes()

    def _sound(self, text: str, factor: float) -> Iterator[Floats]:
        from piper import SynthesisConfig

        how = SynthesisConfig(length_scale=self._voice.config.length_scale / factor)
        # Two brackets would begin phonemes in place of text.
        for phonemes in filter(None, self._voice.phonemize(text.replace("[[", "[ ["))):
            made = np.asarray(self._voice.phoneme_ids_to_audio(self._voice.phonemes_to_ids(phonemes), how))
            yield from [made] if self._vocoder is None else _in_pieces(self._vocoder, made)


def _in_pieces(vocoder: onnxruntime.InferenceSession, plan: Floats) -> Iterator[Floats]:
    """Make sound of the plan of a sentence, of shape (channels, frames)."""
    [taken] = vocoder.get_inputs()
    for begin, end in pieces(plan.shape[1]):
        first = max(0, begin - CONTEXT_FRAMES)
        heard = plan[:, first : end + CONTEXT_FRAMES]
        [made] = vocoder.run(None, {taken.name: heard[np.newaxis]})
        frames = made.reshape(heard.shape[1], -1)
        yield frames[begin - first : end - first].ravel()


def pieces(frames: int) -> Iterator[tuple[int, int]]:
    """Divide so many frames. A rest that is hardly worth its context goes with the piece before."""
    begin, length = 0, FIRST_FRAMES
    while begin < frames:
        end = begin + length
        if frames - end < 2 * CONTEXT_FRAMES:
            end = frames
        yield begin, end
        begin, length = end, 2 * length


def _open(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
