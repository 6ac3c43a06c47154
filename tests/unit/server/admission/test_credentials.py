import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from simplevoice.server.admission.credentials import offered_protocols, presented_token, select_protocols

OFFER = "Sec-WebSocket-Protocol"


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([("Authorization", "Bearer abc")], "abc"),
        ([("authorization", "bearer  abc ")], "abc"),
        ([("Authorization", "Bearer")], ""),
        ([("Authorization", "Basic abc")], None),
        ([(OFFER, "simplevoice.token.abc")], "abc"),
        ([(OFFER, "simplevoice, simplevoice.token.abc")], "abc"),
        ([(OFFER, "chat"), (OFFER, " simplevoice.token.abc ,x")], "abc"),
        ([(OFFER, "simplevoice.token.")], ""),
        ([(OFFER, "simplevoice")], None),
        ([("Authorization", "Bearer abc"), (OFFER, "simplevoice.token.def")], "abc"),
        ([("Authorization", "Basic abc"), (OFFER, "simplevoice.token.def")], "def"),
        ([], None),
    ],
)
def test_the_token_that_is_presented(headers: list[tuple[str, str]], token: str | None) -> None:
    request = make_mocked_request("GET", "/?token=query", headers=CIMultiDict(headers))
    assert presented_token(request, allow_query=False) == token
    assert presented_token(request, allow_query=True) == ("query" if token is None else token)


@pytest.mark.parametrize(
    ("offered", "selected"),
    [
        (["simplevoice", "simplevoice.token.abc"], ["simplevoice"]),
        (["simplevoice.token.abc", "simplevoice"], ["simplevoice"]),
        (["simplevoice.token.abc"], ["simplevoice.token.abc"]),
        (["simplevoice.token.abc", "simplevoice.token.def"], ["simplevoice.token.abc"]),
        (["simplevoice"], ["simplevoice"]),
        (["chat"], []),
        ([], []),
    ],
)
def test_the_protocol_that_is_selected(offered: list[str], selected: list[str]) -> None:
    request = make_mocked_request("GET", "/", headers=CIMultiDict({OFFER: ",".join(offered)}))
    assert offered_protocols(request) == offered
    assert select_protocols(offered) == selected
