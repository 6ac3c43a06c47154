"""Frames that break the rules of RFC 6455, or never end."""

import asyncio
import itertools
import struct
import zlib

from simplevoice.protocol import Ping, ResetConversation, TextMessage, encode
from tests.reliability.malice import Case, writing
from tests.reliability.wire import NO_MASK, Opcode, Wire, frame, message_frame

FIN, RSV1, RSV2 = 0x80, 0x40, 0x20
CONTINUATION, UNKNOWN, UNKNOWN_CONTROL = 0x0, 0x3, 0xB
MIB = 2**20
PING = encode(Ping())
PAUSE_SECONDS = 0.01


def head(first: int, size: int, *, mask: bytes = NO_MASK) -> bytes:
    """Make the head of a frame that says it is so long; what follows may be anything."""
    marker = FIN if mask else 0
    if size < 126:
        return bytes([first, marker | size]) + mask
    return bytes([first, marker | 127]) + struct.pack("!Q", size) + mask


def piece(first: int, payload: bytes, *, mask: bytes = NO_MASK) -> bytes:
    """Make a frame with any first byte."""
    return head(first, len(payload), mask=mask) + payload


async def _endless_pieces(wire: Wire) -> None:
    await wire.write(piece(Opcode.TEXT, b" " * 1000))
    for _ in range(50_000):
        await wire.write(piece(CONTINUATION, b" " * 1000))


async def _endless_empty_pieces(wire: Wire) -> None:
    await wire.write(piece(Opcode.TEXT, b""))
    while True:
        await wire.write(piece(CONTINUATION, b"") * 1000)
        await asyncio.sleep(PAUSE_SECONDS)


async def _byte_by_byte(wire: Wire) -> None:
    await wire.write(head(FIN | Opcode.TEXT, MIB))
    while True:
        await wire.write(b" ")
        await asyncio.sleep(PAUSE_SECONDS)


async def _pings_for_ever(wire: Wire) -> None:
    while True:
        await wire.write(frame(Opcode.PING))
        await wire.write(frame(Opcode.PONG))
        await asyncio.sleep(0.2)


async def _silence(wire: Wire) -> None:
    await asyncio.Event().wait()


async def _unfinished(wire: Wire) -> None:
    await wire.write(piece(Opcode.TEXT, b'{"type":"text_message","text":"and'))
    await asyncio.Event().wait()


async def _large_message(wire: Wire) -> None:
    await wire.write(head(FIN | Opcode.BINARY, 64 * MIB))
    for _ in range(64):
        await wire.write(bytes(MIB))


async def _questions_for_ever(wire: Wire) -> None:
    """Ask as fast as is allowed, and never look at the answers, which repeat the question."""
    wire.shrink()
    for number in itertools.count():
        await wire.send(encode(TextMessage(text=f"{number} ".ljust(3999, "ش"))))
        await asyncio.sleep(2 * PAUSE_SECONDS)


BOMB = zlib.compress(bytes(50 * MIB), 9)[2:-4]
IDLE = "closed 1008 idle timeout"

LONG_ANSWERS = {"audio_format": "wav"}
FLOODED = "many x error RATE_LIMITED, closed 1008 rate limit"
STILL_SENDING = "closed 1009 or 1006"
"""Who goes on sending when the server has closed may lose the close frame: TCP throws away what was not read."""


def broken(what: str, answer: str, *parts: bytes) -> Case:
    return Case(what, answer, writing(*parts))


FRAMES = [
    broken("a frame that says it is 10 GB long", "closed 1009", head(FIN | Opcode.BINARY, 10 * 2**30)),
    broken("a frame that says it is 2^63 bytes long", "closed 1009", head(FIN | Opcode.TEXT, 2**63)),
    Case("a binary message of 64 MiB, sent in full", STILL_SENDING, _large_message),
    Case("a message of 50,000 fragments of 1 kB without an end", STILL_SENDING, _endless_pieces),
    Case("a message of empty fragments without an end", IDLE, _endless_empty_pieces),
    Case("a message whose last fragment never comes", IDLE, _unfinished),
    Case("a message of a megabyte, a byte every 10 ms", IDLE, _byte_by_byte),
    Case("nothing", IDLE, _silence),
    Case("pings and pongs of the WebSocket, and nothing else", IDLE, _pings_for_ever),
    broken("an unmasked frame", "taken", piece(FIN | Opcode.TEXT, PING.encode(), mask=b"")),
    broken("reserved bits set", "closed 1002", piece(FIN | RSV2 | Opcode.TEXT, b"{}")),
    broken("a compressed frame, 50 MiB when unpacked", "closed 1002", piece(FIN | RSV1 | Opcode.TEXT, BOMB)),
    broken("an unknown opcode", "closed 1002", piece(FIN | UNKNOWN, b"{}")),
    broken("an unknown control opcode", "closed 1002", piece(FIN | UNKNOWN_CONTROL, b"")),
    broken("a fragmented ping", "closed 1002", piece(Opcode.PING, b"")),
    broken("a ping of 126 bytes", "closed 1002", bytes([FIN | Opcode.PING, FIN | 126, 0, 126]) + NO_MASK),
    broken("a continuation of nothing", "closed 1002", piece(FIN | CONTINUATION, b"{}")),
    broken("a message begun within another", "closed 1002", piece(Opcode.TEXT, b"{") + piece(Opcode.TEXT, b"}")),
    broken("text that is no UTF-8", "closed 1007", piece(FIN | Opcode.TEXT, b'{"type":"\xff\xfe"}')),
    broken("text with half a character of UTF-16", "closed 1007", piece(FIN | Opcode.TEXT, b'"\xed\xa0\x80"')),
    broken("a close frame of one byte", "closed 1002", frame(Opcode.CLOSE, b"\x03")),
    broken("a close frame with a code that may not be sent", "closed 1002", frame(Opcode.CLOSE, b"\x03\xed")),
    broken("a close frame whose reason is no UTF-8", "closed 1007", frame(Opcode.CLOSE, b"\x03\xe8\xff")),
    broken("20,000 pings of the WebSocket", FLOODED, frame(Opcode.PING) * 20_000),
    broken("20,000 pongs", FLOODED, frame(Opcode.PONG) * 20_000),
    broken("20,000 messages", FLOODED, message_frame(encode(ResetConversation())) * 20_000),
    Case("questions without end, and no answer read", "dropped", _questions_for_ever, LONG_ANSWERS, deaf=True),
]
