"""Cuts the model of a Piper voice in two, so that its sound can be made in pieces.

The first half reads the phonemes of a whole sentence and plans how each moment of it sounds, the second one makes sound
of what was planned: a chain of convolutions, which hears nothing but what is near (VITS and HiFi-GAN, Kim et al., 2021
and Kong et al., 2020).

A file of ONNX is one message of Protocol Buffers (onnx.proto3). Of its weights nothing is changed, so it is taken apart
and put together field by field here; the onnx package takes 30 MB and a third of a second to do that.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

FIRST_WEIGHT = b"dec.conv_pre.weight"
"""What only the first step of the second half uses; its first input is what is handed over."""

GRAPH = 7
NODE, GRAPH_NAME, INITIALIZER, INPUT, OUTPUT = 1, 2, 5, 11, 12
NODE_INPUT, NODE_OUTPUT = 1, 2
TENSOR_NAME = 8
VALUE_NAME, VALUE_TYPE = 1, 2
"""Numbers of fields, of ModelProto, GraphProto, NodeProto, TensorProto and ValueInfoProto."""
FLOAT_TENSOR = b"\x0a\x02\x08\x01"
"""A TypeProto: tensor_type { elem_type: FLOAT }, of any shape."""

Bytes = bytes | memoryview


class Halves(NamedTuple):
    """Two models: the only output of the first is the only input of the second."""

    planner: bytes
    vocoder: bytes


class _Field(NamedTuple):
    number: int
    whole: memoryview
    content: memoryview
    """Without number and length; of a number that is no message or string, nothing."""


class _Node(NamedTuple):
    inputs: list[bytes]
    outputs: list[bytes]
    whole: memoryview


def cut(model: bytes) -> Halves | None:
    """Cut a model; None where it is built otherwise and can't be. Raises ValueError where it is no such file."""
    parts = list(_fields(memoryview(model)))
    graph = [field for part in parts if part.number == GRAPH for field in _fields(part.content)]
    nodes = [_read_node(field) for field in graph if field.number == NODE]
    plan = next((node.inputs[0] for node in nodes if FIRST_WEIGHT in node.inputs), None)
    if plan is None:
        return None
    planning, sounding = _divide(nodes, plan)
    to_plan, to_sound = ({name for node in half for name in node.inputs} for half in (planning, sounding))
    made = {name for node in sounding for name in node.outputs}
    weights = {_name(field): field for field in graph if field.number == INITIALIZER}
    if to_sound - made - weights.keys() != {plan}:
        return None
    # A step of the first half may use weights that are not among its inputs, in a branch of its own.
    known = [field for name, field in weights.items() if name in to_plan or name not in to_sound]
    needed = [field for name, field in weights.items() if name in to_sound]
    about = [part.whole for part in parts if part.number != GRAPH]
    handed_over = _field(VALUE_NAME, plan) + _field(VALUE_TYPE, FLOAT_TENSOR)
    return Halves(
        _model(about, planning, known, [*_all(graph, INPUT), _field(OUTPUT, handed_over)]),
        _model(about, sounding, needed, [_field(INPUT, handed_over), *_all(graph, OUTPUT)]),
    )


def _model(about: Sequence[Bytes], nodes: Sequence[_Node], weights: Sequence[_Field], ends: Sequence[Bytes]) -> bytes:
    """Write a model. It is copied once: the weights are 60 MB."""
    name = _field(GRAPH_NAME, b"half of a voice")
    graph = [name, *(node.whole for node in nodes), *(field.whole for field in weights), *ends]
    return b"".join((*about, _key(GRAPH, sum(map(len, graph))), *graph))


def _all(fields: Sequence[_Field], number: int) -> list[Bytes]:
    return [field.whole for field in fields if field.number == number]


def _divide(nodes: list[_Node], plan: bytes) -> tuple[list[_Node], list[_Node]]:
    """Part the steps that need the plan, or what was made of it, from the others. They come in the order of work."""
    before, behind, made = [], [], {plan}
    for node in nodes:
        if made.isdisjoint(node.inputs):
            before.append(node)
        else:
            behind.append(node)
            made.update(node.outputs)
    return before, behind


def _read_node(field: _Field) -> _Node:
    names: dict[int, list[bytes]] = {NODE_INPUT: [], NODE_OUTPUT: []}
    for part in _fields(field.content):
        if part.number in names:
            names[part.number].append(bytes(part.content))
    return _Node(names[NODE_INPUT], names[NODE_OUTPUT], field.whole)


def _name(tensor: _Field) -> bytes:
    return next((bytes(part.content) for part in _fields(tensor.content) if part.number == TENSOR_NAME), b"")


def _fields(message: memoryview) -> Iterator[_Field]:
    """Go through the fields of a message. Raises ValueError where it is none."""
    end = 0
    while end < len(message):
        begin = end
        key, at = _read_number(message, begin)
        match key & 7:
            case 0:
                _, end = _read_number(message, at)
                at = end
            case 1:
                at = end = at + 8
            case 2:
                length, at = _read_number(message, at)
                end = at + length
            case 5:
                at = end = at + 4
            case kind:
                raise ValueError(f"no field is of kind {kind}")
        if key < 8 or end > len(message):
            raise ValueError("not a message")
        yield _Field(key >> 3, message[begin:end], message[at:end])


def _read_number(message: memoryview, at: int) -> tuple[int, int]:
    """Read a number of variable length; gives it, and where it ends."""
    number = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise ValueError("not a number")


def _field(number: int, content: bytes) -> bytes:
    return _key(number, len(content)) + content


def _key(number: int, length: int) -> bytes:
    """Write what precedes the content of a field."""
    return _number(number << 3 | 2) + _number(length)


def _number(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
