"""The event loop that the daemon runs on: uvloop where it is installed, else asyncio's own."""

import asyncio


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make it."""
    try:
        import uvloop  # an extra
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def kind_of(loop: asyncio.AbstractEventLoop) -> str:
    """Name the library that an event loop is from."""
    return type(loop).__module__.partition(".")[0]
