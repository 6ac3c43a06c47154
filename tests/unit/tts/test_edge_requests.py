"""What needs no service. How requests and the service get along stands in tests/integration/test_edge.py."""

import pytest

from simplevoice.errors import ErrorCode, SpeechError
from simplevoice.tts.edge_requests import Requests


async def test_what_edge_tts_refuses_is_the_clients_doing() -> None:
    requests = Requests(None, connect_seconds=1.0)
    with pytest.raises(SpeechError, match="Invalid rate") as failed:
        await requests.begin("hello", "en-US-JennyNeural", "fast", named=False)
    assert failed.value.code is ErrorCode.INVALID_PARAMETER


async def test_nothing_is_open_before_somebody_expects_a_text() -> None:
    await Requests(None, connect_seconds=1.0).drop()
