"""Which daemon a client command speaks to: the options, and what they say."""

import functools
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from simplevoice.address import DEFAULT_URL, chat_url

TOKEN_VARIABLE = "SIMPLEVOICE_CLIENT_TOKEN"  # noqa: S105 - its name
MAX_TOKEN_FILE_BYTES = 65_536


class Target(msgspec.Struct, frozen=True):
    """A daemon: the URL of its conversation, the token to present, and whom to believe its certificate.

    Without ``tls`` these are the authorities that the system trusts.
    """

    url: str
    token: str | None = None
    tls: ssl.SSLContext | None = None


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``daemon``, this machine's daemon unless another is named."""
    return optional_target("The daemon's conversation.", DEFAULT_URL)(command)


def optional_target(
    what: str, default: str | None = None, otherwise: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``daemon``; without a default it is None where no URL is given, and the help says what is then."""
    then = f"  [default: {otherwise}]" if otherwise else ""
    options = (
        click.option(
            "--url",
            default=default,
            show_default=True,
            envvar="SIMPLEVOICE_CLIENT_URL",
            callback=lambda _context, _option, value: None if value is None else _chat_url(value),
            help=f"{what} A bare ws://HOST:PORT does, too.{then}",
        ),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            envvar="SIMPLEVOICE_CLIENT_TOKEN_FILE",
            help=f"File that holds the token to present, alone or as name:token.  [default: {TOKEN_VARIABLE}]",
        ),
        click.option(
            "--ca",
            type=click.Path(path_type=Path),
            metavar="FILE",
            envvar="SIMPLEVOICE_CLIENT_CA",
            help="PEM file of the authorities to trust with wss://.  [default: the system's]",
        ),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(*args: Any, url: str | None, token_file: Path | None, ca: Path | None, **rest: Any) -> Any:
            daemon = None if url is None else Target(url, _token(token_file), _trusting(ca))
            return command(*args, daemon=daemon, **rest)

        return functools.reduce(lambda decorated, option: option(decorated), reversed(options), run)

    return decorate


def _token(file: Path | None) -> str | None:
    """Read the token from a file or, so that it never stands on a command line, from the environment."""
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        with file.open(encoding="utf-8") as opened:
            lines = opened.read(MAX_TOKEN_FILE_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--token-file {file} can't be read: {_reason(error)}.") from None
    tokens = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if len(tokens) != 1:
        raise click.UsageError(f"--token-file {file} holds {len(tokens)} tokens; one is needed.")
    return tokens[0].rpartition(":")[2]


def _trusting(ca: Path | None) -> ssl.SSLContext | None:
    if ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise click.UsageError(f"--ca {ca} holds no certificate that can be read: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _chat_url(text: str) -> str:
    try:
        return chat_url(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None
