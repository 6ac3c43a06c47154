"""``simplevoice status``."""

import asyncio

import click

from simplevoice.cli.target import Target, target_options


@click.command()
@click.option("--json", "raw", is_flag=True, help="Print the daemon's JSON as it is; with --watch a line each time.")
@click.option("--watch", is_flag=True, help="Go on until ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    metavar="SECONDS",
    default=1.0,
    show_default=True,
    help="Pause of --watch.",
)
@target_options
def status(raw: bool, watch: bool, interval: float, daemon: Target) -> int:
    """Show what a running daemon is doing: its engines, its connections, how fast it answers.

    Where the daemon asks for tokens, the connections are listed only for one who has one. The exit code is 1 when no
    daemon answers.

    \b
    Examples:
      simplevoice status
      simplevoice status --watch
      simplevoice status --json | jq .service_health
    """
    from simplevoice.cli.watching import show, watch_until_interrupted  # aiohttp takes long to import

    if not watch:
        return asyncio.run(show(daemon, raw=raw))
    try:
        return asyncio.run(watch_until_interrupted(daemon, interval, raw=raw))
    except KeyboardInterrupt:
        return 0
