from simplevoice.caller import ANYBODY, Caller, Token


def test_a_caller_is_named_by_its_token() -> None:
    assert Caller(Token("kitchen", b"digest"), "192.0.2.1").name == "kitchen"
    assert ANYBODY.name is None
