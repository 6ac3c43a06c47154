"""``simplevoice serve``."""

import os

import click

from simplevoice import memory
from simplevoice.cli.options import SectionedCommand, with_settings
from simplevoice.config.sources import Settings
from simplevoice.config.table import SECTIONS
from simplevoice.config.text import describe


@click.command(cls=SectionedCommand)
@with_settings(*SECTIONS, daemon=True)
@click.option("--print-config", is_flag=True, help="Show the settings in force and where each came from, and exit.")
def serve(settings: Settings, print_config: bool) -> int:
    """Run the daemon: conversations over ws://HOST:PORT/ws/simple-voice-chat.

    It needs no configuration, no account and no GPU. Every flag below is also a key of the configuration file and a
    variable: --stt-model is "model" under [stt], and SIMPLEVOICE_STT_MODEL; the flags of the first section have no
    prefix. A flag wins over a variable, that over --config, and that over
    /etc/simplevoice/simplevoice.toml.

    \b
    Examples:
      simplevoice serve
      simplevoice serve --host 0.0.0.0 --auth-token-file tokens
      simplevoice serve --stt-model large-v3-turbo
      simplevoice serve --llm-base-url http://127.0.0.1:11434/v1 --llm-model qwen3
      simplevoice serve --config my.toml --print-config
    """
    if print_config:
        click.echo(describe(settings), nl=False)
        return 0
    # numpy reads it when it is imported. A second thread gains nothing for the spectrogram of an utterance and then
    # spins for a while: with it Smart Turn takes three times the processor time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # libgomp reads it when CTranslate2 is imported. Whisper's threads wait for each other after every step; the first
    # would spin for some ms whenever others have the core of the second, as during a start: three times the work.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    with memory.uncollected():
        from simplevoice.server.start import start  # brings every engine's room
    return start(settings)
