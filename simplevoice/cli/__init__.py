"""The command line; one file a command, imported only when it is the one that runs."""

import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from simplevoice import __version__
from simplevoice.errors import ConfigError, ConnectionFailedError, SimpleVoiceError

FAILURE = 1
USAGE = 2
INTERRUPTED = 130

COMMANDS = {
    "The daemon": {
        "serve": "Run the daemon.",
        "check": "Tell what works on this machine, and what to do about the rest.",
        "status": "Show what a running daemon is doing.",
    },
    "Talking": {
        "talk": "Talk with a running daemon: by microphone, or with recordings or text.",
        "say": "Speak a text, here or by a running daemon.",
        "voices": "List the voices, and let each speak.",
    },
    "Weights": {
        "models": "List, fetch and verify the weights of the models.",
    },
    "Measuring": {
        "bench": "Measure turn detection, latency and load with your own recordings.",
    },
    "This shell": {
        "completion": "Print tab completion for bash, zsh or fish.",
    },
}
"""The commands by group, each with its line in the help. ``models`` is in ``simplevoice.cli.models``, and so on."""


class Program(click.Group):
    """The root command: imports a command when it is asked for, and says errors in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names without importing anything."""
        return [name for group in COMMANDS.values() for name in group]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; for a name that there isn't, tell the nearest."""
        names = self.list_commands(ctx)
        if cmd_name not in names:
            if ctx.resilient_parsing:
                return None
            raise click.exceptions.NoSuchCommand(cmd_name, possibilities=names, ctx=ctx)
        command: click.Command = getattr(import_module(f"simplevoice.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by group."""
        for title, commands in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command line and exit: 0, 1 for a failure, 2 for wrong usage or settings, 130 for ctrl-C."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = USAGE
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else "simplevoice"
            code = _complain(f"{error.format_message()} See {path} --help.", USAGE)
        except click.ClickException as error:
            code = _complain(error.format_message(), FAILURE)
        except ConfigError as error:
            code = _complain("\n".join(error.problems), USAGE)
        except ConnectionFailedError as error:
            from simplevoice.cli.connecting import with_hint  # aiohttp takes long to import; it is there already

            code = _complain(with_hint(error), FAILURE)
        except SimpleVoiceError as error:
            code = _complain(str(error), FAILURE)
        except click.Abort:
            code = INTERRUPTED
        sys.exit(code)


def _complain(message: str, code: int) -> int:
    """Say each line as an error of its own on standard error."""
    for line in message.splitlines():
        click.secho("error: ", fg="red", bold=True, err=True, nl=False)
        click.echo(line, err=True)
    return code


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="simplevoice", message="%(prog)s %(version)s")
def main() -> None:
    """Spoken conversation in Arabic and English.

    \b
    Try it, in two terminals:
      simplevoice serve
      simplevoice talk --file question.wav --language en
    """
