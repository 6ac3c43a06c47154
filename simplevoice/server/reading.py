"""The single read loop of a connection."""

import asyncio

from aiohttp import WSMsgType, web

from simplevoice.config import LimitsConfig
from simplevoice.conversation import Conversation
from simplevoice.errors import RateLimitedError
from simplevoice.notices import error_message
from simplevoice.rates import Allowance
from simplevoice.registry import CLOSE_NORMAL, CLOSE_POLICY, Connection

MAX_REFUSED_IN_A_ROW = 50
"""A client that ignores RATE_LIMITED this often is closed."""

MESSAGES = (WSMsgType.TEXT, WSMsgType.BINARY)
CONTROL = (WSMsgType.PING, WSMsgType.PONG)


async def read(
    socket: web.WebSocketResponse, connection: Connection, conversation: Conversation, limits: LimitsConfig
) -> tuple[int, str]:
    """Hand on message after message until the end; gives the code and reason to close with.

    Only whole messages keep a connection from being idle: pings, answers to ours and the pieces of a message that
    never ends don't.
    """
    rate = limits.messages_per_second
    allowance = Allowance(rate, 1, burst=2 * rate)
    refused = 0
    clock = asyncio.get_running_loop().time
    idle_at = clock() + limits.idle_timeout_seconds
    while True:
        try:
            async with asyncio.timeout_at(idle_at):
                await asyncio.sleep(0)  # what came at once is taken in turns with other connections
                message = await socket.receive()
        except TimeoutError:
            return CLOSE_POLICY, "idle timeout"
        if message.type not in (*MESSAGES, *CONTROL):
            return CLOSE_NORMAL, ""
        try:
            if not (conversation.streaming and message.type is WSMsgType.BINARY):
                allowance.take()
        except RateLimitedError as error:
            refused += 1
            if refused > MAX_REFUSED_IN_A_ROW:
                return CLOSE_POLICY, "rate limit"
            await connection.send(error_message(error, connection.language))
        else:
            refused = 0
            if message.type in MESSAGES:
                await conversation.receive(message.data)
            elif message.type is WSMsgType.PING:
                await connection.pong(message.data)
        if message.type in MESSAGES:
            idle_at = clock() + limits.idle_timeout_seconds  # while a message is worked on, the client is not idle
