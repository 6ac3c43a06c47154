from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.config import ModelsConfig
from simplevoice.models.store import ModelStore
from simplevoice.tts.onnx_cut import cut

FIRST = "dec.conv_pre.weight"


def field(number: int, content: bytes | str | int) -> bytes:
    """Write a field of onnx.proto3, of up to 16 KiB."""
    if isinstance(content, int):
        return bytes((number << 3, content))
    content = content.encode() if isinstance(content, str) else content
    return bytes((number << 3 | 2, len(content) & 0x7F | 0x80, len(content) >> 7)) + content


def node(kind: str, inputs: Sequence[str], output: str) -> bytes:
    return field(1, b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind))


def weight(name: str, values: Sequence[float]) -> bytes:
    shape_and_type = field(1, len(values)) + field(2, 1)
    return field(5, shape_and_type + field(8, name) + field(9, np.array(values, "<f4").tobytes()))


def end(number: int, name: str) -> bytes:
    return field(number, field(1, name) + field(2, field(1, field(1, 1))))


def model(*graph: bytes) -> bytes:
    return field(1, 8) + field(8, field(2, 15)) + field(7, field(2, "voice") + b"".join(graph))


STEPS = (node("Mul", ["input", "scale"], "plan"), node("Add", ["plan", FIRST], "sum"), node("Tanh", ["sum"], "output"))
WEIGHTS = (weight("scale", [2.0, 3.0]), weight(FIRST, [0.25, 0.5]))
ENDS = (end(11, "input"), end(12, "output"))


def run(content: bytes, **inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    [output] = session.run(None, inputs)
    return np.asarray(output)


def test_the_halves_do_together_what_the_whole_does() -> None:
    whole = model(*STEPS, *WEIGHTS, *ENDS)
    halves = cut(whole)
    assert halves is not None
    sound = np.array([0.5, -0.25], np.float32)
    plan = run(halves.planner, input=sound)
    assert plan.tolist() == [1.0, -0.75]
    assert np.array_equal(run(halves.vocoder, plan=plan), run(whole, input=sound))


def test_each_half_has_its_own_weights_and_both_what_both_use() -> None:
    steps = (*STEPS[:2], node("Mul", ["sum", "scale"], "output"))
    halves = cut(model(*steps, *WEIGHTS, weight("branch", [1.0, 1.0]), *ENDS))
    assert halves is not None
    held = {half: [name for name in ("scale", FIRST, "branch") if name.encode() in half] for half in halves}
    assert held == {halves.planner: ["scale", "branch"], halves.vocoder: ["scale", FIRST]}


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param((STEPS[0], node("Tanh", ["plan"], "output"), WEIGHTS[0]), id="no vocoder"),
        pytest.param((*STEPS[:2], node("Mul", ["sum", "input"], "output"), *WEIGHTS), id="more handed over"),
    ],
)
def test_what_is_built_otherwise_stays_whole(graph: tuple[bytes, ...]) -> None:
    assert cut(model(*graph, *ENDS)) is None


@pytest.mark.parametrize("damaged", [b"no model", bytes(100), model(*STEPS, *WEIGHTS)[:-1], b"\x3a\xff\xff"])
def test_what_is_no_such_file_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a|no field"):
        cut(damaged)


@given(st.binary())
def test_nothing_else_comes_of_garbage(garbage: bytes) -> None:
    try:
        halves = cut(garbage)
    except ValueError:
        return
    assert halves is None


@pytest.mark.models
def test_a_real_voice_sounds_the_same_cut() -> None:
    path: Path = next(ModelStore(ModelsConfig()).path("piper-en-male").glob("*.onnx"))
    whole = path.read_bytes()
    halves = cut(whole)
    assert halves is not None
    phonemes = np.arange(10, 30, dtype=np.int64)[np.newaxis]
    without_chance = np.array([0.0, 1.0, 0.0], np.float32)
    lengths = np.array([20], np.int64)
    plan = run(halves.planner, input=phonemes, input_lengths=lengths, scales=without_chance)
    [taken] = onnxruntime.InferenceSession(halves.vocoder, providers=["CPUExecutionProvider"]).get_inputs()
    sound = run(halves.vocoder, **{taken.name: plan})
    assert np.array_equal(sound, run(whole, input=phonemes, input_lengths=lengths, scales=without_chance))
