"""``simplevoice completion``."""

import click
from click.shell_completion import get_completion_class

PROGRAM = "simplevoice"
VARIABLE = "_SIMPLEVOICE_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print tab completion for a shell: commands, options, and the names of voices and models.

    \b
    For bash and zsh, in ~/.bashrc or ~/.zshrc:
      eval "$(simplevoice completion bash)"
    For fish:
      simplevoice completion fish > ~/.config/fish/completions/simplevoice.fish
    For everybody on this machine:
      simplevoice completion bash > /etc/bash_completion.d/simplevoice
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click brings all of SHELLS
    click.echo(kind(context.find_root().command, {}, PROGRAM, VARIABLE).source())
