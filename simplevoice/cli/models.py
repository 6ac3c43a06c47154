"""List, fetch and verify the weights of the models."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from simplevoice.cli.options import with_settings
from simplevoice.cli.output import console
from simplevoice.config import LlmConfig
from simplevoice.config.sources import Settings
from simplevoice.errors import ModelError
from simplevoice.models.catalog import CATALOG, Model
from simplevoice.models.store import ModelStore, ensure_llm

LINE_EVERY_PERCENT = 25
DESCRIBED_COLUMNS = 120
"""On a narrower terminal a model is known by its name alone."""

Report = Callable[[int, int], None]

_names = click.argument("names", nargs=-1, metavar="[NAME]...", type=click.Choice(list(CATALOG)))


@click.group()
def models() -> None:
    """List, fetch and verify the weights of the models.

    Weights are kept in the user's cache folder, or where --models-dir or SIMPLEVOICE_MODELS_DIR says.
    """


@models.command("list")
@with_settings("models")
def list_models(settings: Settings) -> None:
    """Show the catalogue, and which weights are here."""
    store, out = ModelStore(settings.config.models), console()
    table = Table(box=None, pad_edge=False)
    for title in ("name", "for", "languages", "size", "here"):
        table.add_column(title, no_wrap=True)
    described = out.width >= DESCRIBED_COLUMNS
    for title in ("licence", "what")[: 1 + described]:
        table.add_column(title, overflow="ellipsis")
    for model in CATALOG.values():
        here = "yes" if store.present(model.name) else "no"
        facts = (model.name, model.kind, " ".join(model.languages), _megabytes(model.size), here, model.licence)
        table.add_row(*facts, *[model.description][:described])
    out.print(table)


@models.command()
@_names
@click.option("--for-tests", is_flag=True, help="Fetch what the test suite uses.")
@click.option("--all", "everything", is_flag=True, help="Fetch the whole catalogue.")
@with_settings("models")
def pull(settings: Settings, names: tuple[str, ...], for_tests: bool, everything: bool) -> None:
    """Fetch weights and verify them.

    Without a NAME those that serve needs by default. What is here already is verified and kept. What is damaged is
    fetched again. An interrupted pull goes on where it stopped.
    """
    if sum([bool(names), for_tests, everything]) > 1:
        raise click.UsageError("give names, --for-tests or --all, one of them")
    store = ModelStore(settings.config.models)
    failures: list[str] = []
    with _progress() as (follow, tell):
        for name in names or _set_of(for_tests, everything):
            try:
                store.ensure(name, follow(name))
            except ModelError as error:
                failures.append(str(error))
        if not (names or for_tests or everything):
            failures += _pull_llm(store, settings.config.llm, follow, tell)
    if failures:
        raise click.ClickException("\n".join(failures))
    click.echo(f"The weights are in {store.root}")


@models.command()
@_names
@with_settings("models")
def verify(settings: Settings, names: tuple[str, ...]) -> None:
    """Check the SHA-256 of every file.

    Without a NAME, of all weights that are here.
    """
    store = ModelStore(settings.config.models)
    chosen = names or [name for name in CATALOG if (store.root / name).exists()]
    if not chosen:
        click.echo(f"No weights are in {store.root}")
    failures: list[str] = []
    for name in chosen:
        try:
            store.path(name)
        except ModelError as error:
            failures.append(str(error))
        else:
            click.echo(f"{name}: as it should be")
    if failures:
        raise click.ClickException("\n".join(failures))


@models.command()
@click.argument("name", type=click.Choice(list(CATALOG)), metavar="NAME")
@with_settings("models")
def path(settings: Settings, name: str) -> None:
    """Print the folder of a model that is here, verified."""
    click.echo(ModelStore(settings.config.models).path(name))


def _set_of(for_tests: bool, everything: bool) -> list[str]:
    def wanted(model: Model) -> bool:
        return everything or (model.for_tests if for_tests else model.default)

    return [model.name for model in CATALOG.values() if wanted(model)]


def _pull_llm(
    store: ModelStore, config: LlmConfig, follow: Callable[[str], Report], tell: Callable[[str], None]
) -> list[str]:
    """Fetch the best language model that can be had; return the failure when none can."""
    from simplevoice.llm.llama_cpp import use_gpu  # llama.cpp takes longer to import than --help may take

    def say(name: str, error: ModelError) -> None:
        tell(f"{name} is left out, a smaller model does: {error}")

    try:
        ensure_llm(store, gpu=config.gpu == "on" or use_gpu(config.gpu), follow=follow, on_failure=say)
    except ModelError as error:
        return [str(error)]
    return []


@contextmanager
def _progress() -> Iterator[tuple[Callable[[str], Report], Callable[[str], None]]]:
    """Follow downloads on standard error, by bars on a terminal, else by lines; gives what follows, and what tells."""
    errors = Console(stderr=True, highlight=False, markup=False)
    if not errors.is_terminal:
        yield _lines, partial(click.echo, err=True)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors) as bars:

        def follow(name: str) -> Report:
            task = bars.add_task(name, total=None, visible=False)
            return lambda done, total: bars.update(task, completed=done, total=total or None, visible=done > 0)

        yield follow, errors.print  # above the bars, which would write over it


def _lines(name: str) -> Report:
    reported = -1

    def report(done: int, total: int) -> None:
        nonlocal reported
        quarter = done * 100 // total // LINE_EVERY_PERCENT if total else 0
        if done and quarter > reported:
            reported = quarter
            click.echo(f"{name}: {_megabytes(done)} of {_megabytes(total or None)}", err=True)

    return report


def _megabytes(size: int | None) -> str:
    return "?" if size is None else f"{size / 1e6:,.0f} MB" if size > 10e6 else f"{size / 1e6:,.1f} MB"
