"""The texts that are spoken without a conversation: how many one caller may ask for, and which are in progress."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from simplevoice.caller import Caller
from simplevoice.config import LimitsConfig
from simplevoice.rates import Allowance, turns_allowed
from simplevoice.server.admission.addresses import same_client

MAX_REMEMBERED = 10_000
"""Callers; the one that was away for longest begins anew."""


class Speeches:
    """What all requests to speak share."""

    def __init__(self) -> None:
        self._allowances: OrderedDict[tuple[str, int], Allowance] = OrderedDict()
        self._in_progress: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        return len(self._in_progress)

    def take(self, caller: Caller, limits: LimitsConfig) -> None:
        """Count one of the caller, who is known by its token, else by its address. Raises RateLimitedError."""
        key = caller.name or same_client(caller.address), limits.turns_per_minute  # a reload begins anew
        allowance = self._allowances.setdefault(key, turns_allowed(limits))
        self._allowances.move_to_end(key)
        if len(self._allowances) > MAX_REMEMBERED:
            self._allowances.popitem(last=False)
        allowance.take()

    @contextmanager
    def in_progress(self) -> Iterator[None]:
        """Be waited for by ``finish``."""
        over = asyncio.get_running_loop().create_future()
        self._in_progress.add(over)
        try:
            yield
        finally:
            self._in_progress.remove(over)
            over.set_result(None)

    async def finish(self) -> None:
        """Wait until none is in progress of those that are now."""
        if self._in_progress:
            await asyncio.wait(self._in_progress)
