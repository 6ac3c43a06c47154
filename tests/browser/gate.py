"""Holds a conversation where it is: what the server sends next waits."""

import json

from playwright.sync_api import Page, WebSocketRoute


class Gate:
    """Stands in the WebSockets that a page opens from now on."""

    def __init__(self, page: Page) -> None:
        self._last: str | None = None
        self._shut = False
        self._waiting: list[str | bytes] = []
        self._socket: WebSocketRoute | None = None
        page.route_web_socket("**/ws/simple-voice-chat?*", self._open)

    def hold_behind(self, kind: str) -> None:
        """Let everything through up to the next message of a kind, also of what waits already."""
        self._last, self._shut = kind, False
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self._take(data)

    def release(self) -> None:
        """Let everything through."""
        self.hold_behind("")

    def close(self) -> None:
        """End the conversation as a server does that restarts."""
        assert self._socket is not None
        self._socket.close(code=1001)

    def _open(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.connect_to_server().on_message(self._take)

    def _take(self, data: str | bytes) -> None:
        assert self._socket is not None
        if self._shut:
            self._waiting.append(data)
            return
        self._socket.send(data)
        self._shut = isinstance(data, str) and json.loads(data)["type"] == self._last
