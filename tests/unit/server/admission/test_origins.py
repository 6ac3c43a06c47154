import pytest

from simplevoice.server.admission.origins import is_allowed_host, is_allowed_origin, parse_host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.org", ("example.org", None)),
        ("Example.ORG.:8000", ("example.org", 8000)),
        ("[::1]:8000", ("::1", 8000)),
        ("127.0.0.1", ("127.0.0.1", None)),
        (" localhost ", ("localhost", None)),
        ("", None),
        (".", None),
        ("a b", None),
        ("user@example.org", None),
        ("example.org/path", None),
        ("example.org:", None),
        ("example.org:80:80", None),
        ("::1", None),
        ("example.org\r\nX: y", None),
        ("café.example", None),
    ],
)
def test_a_host_header(text: str, host: tuple[str, int | None] | None) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    ("origin", "host", "secure", "may"),
    [
        ("http://h:8000", "h:8000", False, True),
        ("HTTP://H:8000", "h:8000", False, True),
        ("http://h", "h:80", False, True),
        ("http://h:80", "h", False, True),
        ("https://h", "h", False, True),  # behind a proxy that speaks TLS and says nothing of it
        ("https://h", "h:443", True, True),
        ("https://h:443", "h", True, True),
        ("http://[::1]:8000", "[::1]:8000", False, True),
        ("http://h", "h", True, False),
        ("http://h:8001", "h:8000", False, False),
        ("https://h", "h:80", False, False),
        ("http://h.evil.example", "h", False, False),
        ("http://evil.example/h", "h", False, False),
        ("http://h@evil.example", "h", False, False),
        ("http://evil.example#h", "h", False, False),
        ("http://h/", "h", False, False),
        ("http://h http://evil.example", "h", False, False),
        ("null", "h", False, False),
        ("", "h", False, False),
        ("file://", "h", False, False),
        ("ftp://h", "h", False, False),
        ("chrome-extension://h", "h", False, False),
        ("http://[::1", "h", False, False),
        ("http://", "", False, False),
        ("null", "null", False, False),
    ],
)
def test_a_page_of_the_same_host_may_connect(origin: str, host: str, secure: bool, may: bool) -> None:
    assert is_allowed_origin(origin, [host], secure=secure, allowed=()) is may


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        ("https://good.example", True),
        ("https://GOOD.example:443", True),
        ("http://good.example", False),
        ("https://good.example:8443", False),
        ("https://very.good.example", False),
        ("null", False),
    ],
)
def test_pages_of_allowed_origins_may_connect(origin: str, may: bool) -> None:
    assert is_allowed_origin(origin, ["h"], secure=True, allowed=("https://Good.example",)) is may


def test_any_page_may_where_the_operator_says_so() -> None:
    assert is_allowed_origin("null", ["h"], secure=True, allowed=("*",))


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("localhost:8000", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("app.localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("192.168.1.10", True),
        ("Voice.example.org:443", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("notlocalhost", False),
        ("voice.example.org.evil.example", False),
        ("2130706433", False),
        ("127.1", False),
        ("", False),
    ],
)
def test_names_that_a_page_cannot_make_up(text: str, answers: bool) -> None:
    assert is_allowed_host(text, ("voice.example.org",)) is answers


def test_any_name_will_do_where_the_operator_says_so() -> None:
    assert is_allowed_host("evil.example", ("*",))
    assert not is_allowed_host("not a host", ("*",))
