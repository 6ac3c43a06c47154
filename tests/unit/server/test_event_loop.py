import sys

import pytest

from simplevoice.server.event_loop import kind_of, new_event_loop


def test_uvloop_is_taken_where_it_is_installed() -> None:
    pytest.importorskip("uvloop")
    loop = new_event_loop()
    loop.close()
    assert kind_of(loop) == "uvloop"


def test_else_it_is_asyncios_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = new_event_loop()
    loop.close()
    assert kind_of(loop) == "asyncio"
