"""``simplevoice check``."""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from simplevoice.cli.options import with_settings
from simplevoice.config.sources import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from simplevoice.cli.checks import Finding

MARKS = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "problem": ("✘", "red")}


@click.command()
@click.option("--quick", is_flag=True, help="Leave out what takes long: the network, the port, reading weights.")
@click.option("--json", "raw", is_flag=True, help="Print JSON.")
@with_settings()
def check(settings: Settings, quick: bool, raw: bool) -> int:
    """Tell what works on this machine with these settings, and what to do about the rest.

    It looks at the software, the GPU, the weights, the voices, the language model, the port and the folders, in
    15 seconds at most. A warning is something that simplevoice gets along without; a problem stops it, and makes the
    exit code 1; settings that can't be used make it 2. --config and the environment decide what is looked at, as they
    do for serve. With --quick nothing but this machine is asked, so that it can stand in ExecStartPre= of a unit.

    \b
    Examples:
      simplevoice check
      simplevoice check --quick
      simplevoice check --config /etc/simplevoice/simplevoice.toml --json
    """
    import msgspec

    from simplevoice.cli import checks_engines, checks_machine  # brings every engine's room
    from simplevoice.cli.checks import run_checks
    from simplevoice.cli.output import console

    machine, engines = (room.QUICK if quick else room.ALL for room in (checks_machine, checks_engines))
    out = console()
    with out.status("checking …") if out.is_terminal and not raw else nullcontext():
        findings = run_checks(settings.config, machine | engines)
    if raw:
        click.echo(msgspec.json.format(msgspec.json.encode(findings)))
    else:
        _print(out, findings)
    return int(any(finding.level == "problem" for finding in findings))


def _print(out: "Console", findings: Sequence["Finding"]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not out.is_terminal:
        for finding in findings:
            advice = f" -> {finding.advice}" if finding.advice else ""
            click.echo(f"{finding.level}: {finding.subject}: {finding.says}{advice}")
        click.echo(_summary(findings))
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    for finding in findings:
        mark, style = MARKS[finding.level]
        table.add_row(Text(mark, style=style), Text(finding.subject, style="bold"), Text(finding.says))
        if finding.advice:
            table.add_row("", "", Text(f"→ {finding.advice}", style="cyan"))
    out.print(table)
    out.print(f"\n{_summary(findings)}")


def _summary(findings: Sequence["Finding"]) -> str:
    counts = Counter(finding.level for finding in findings)
    parts = [
        f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}"
        for level in ("problem", "warning")
        if counts[level]
    ]
    return ", ".join(parts) or "everything works"
