from simplevoice.client import ANYBODY, Client, Token


def test_a_client_is_named_by_its_token() -> None:
    assert Client(Token("kitchen", b"digest"), "192.0.2.1").name == "kitchen"
    assert ANYBODY.name is None
