"""The settings in force. Handlers read them at every request, so that a reload can put others in their place."""

from collections.abc import Awaitable, Callable

from simplevoice.config import Config

Commit = Callable[[], None]
"""Puts in force what was prepared. It can't fail."""

Prepare = Callable[[Config], Awaitable[Commit]]
"""Makes one part of the daemon ready for other settings, beside those in force. Raises SimpleVoiceError."""


class Live:
    """The settings in force, and the parts of the daemon that hold more of them than they read here.

    ``parts`` are prepared one after the other. What is costly to prepare, and would have to be undone, comes last.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.parts: list[Prepare] = []

    async def replace(self, config: Config) -> None:
        """Put other settings in force, all at once; when one part refuses them, nothing changes.

        Raises the SimpleVoiceError of that part.
        """
        commits = [await prepare(config) for prepare in self.parts]
        self.config = config
        for commit in commits:
            commit()
