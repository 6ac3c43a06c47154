"""Why the system refused something, in words for people."""

import os
import ssl


def system_words(error: OSError) -> str:
    """Say an error as the system does, without the address that asyncio and aiohttp put into it."""
    if isinstance(error, ssl.SSLError):  # its number is OpenSSL's
        return type(error).__name__
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__
