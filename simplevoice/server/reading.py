"""The single read loop of a connection."""

import asyncio
import math
import time

from aiohttp import WSMsgType, web

from simplevoice.config import LimitsConfig
from simplevoice.conversation.conversation import Conversation
from simplevoice.conversation.notices import error_message
from simplevoice.errors import RateLimitedError
from simplevoice.outgoing import CLOSE_NORMAL, CLOSE_POLICY
from simplevoice.rates import Allowance
from simplevoice.registry import Connection
from simplevoice.server.admission.stay import Stay

MAX_REFUSED_IN_A_ROW = 50
"""A client that ignores RATE_LIMITED this often is closed."""

MESSAGES = (WSMsgType.TEXT, WSMsgType.BINARY)
CONTROL = (WSMsgType.PING, WSMsgType.PONG)


async def read(
    socket: web.WebSocketResponse,
    connection: Connection,
    conversation: Conversation,
    limits: LimitsConfig,
    stay: Stay,
) -> tuple[int, str]:
    """Hand on message after message until the end; gives the code and reason to close with.

    Only whole messages keep a connection from being idle: pings, answers to ours and the pieces of a message that
    never ends don't.
    """
    rate = limits.messages_per_second
    allowance = Allowance(rate, 1, burst=2 * rate)
    refused = 0
    while True:
        await asyncio.sleep(0)  # what came at once is taken in turns with other connections
        message = await socket.receive()
        whole = message.type in MESSAGES
        if whole:
            stay.quiet_since = math.inf
        elif message.type not in CONTROL:
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
            if whole:
                await conversation.receive(message.data)
            elif message.type is WSMsgType.PING:
                connection.pong(message.data)
        del message  # as large as a recording, and the next one may be far
        if whole:
            stay.quiet_since = time.monotonic()
