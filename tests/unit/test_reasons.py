import errno
import socket
import ssl

import pytest

from simplevoice.reasons import system_words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 9)"), "Connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "SSLCertVerificationError"),
        (ConnectionResetError(), "ConnectionResetError"),
    ],
)
def test_an_error_is_told_in_the_words_of_the_system_without_an_address(error: OSError, words: str) -> None:
    assert system_words(error) == words
