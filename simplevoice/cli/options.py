"""Options made from the table of settings, and how a command gets its settings."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
import msgspec
from click.shell_completion import CompletionItem

from simplevoice.config.sources import DEFAULT, SYSTEM_FILE, Settings, load
from simplevoice.config.table import SECTIONS, Setting, in_section


class SettingType(click.ParamType[str]):
    """A setting's value as text. It is checked together with all other settings, so that all errors show at once."""

    def __init__(self, setting: Setting) -> None:
        self.name = (
            "json" if setting.table else {bool: "bool", int: "integer", float: "number"}.get(setting.kind, "text")
        )
        self.choices = setting.choices

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """Show the values of a closed set, where they are few."""
        choices = "|".join(self.choices)
        return f"[{choices}]" if 0 < len(choices) <= 30 else None

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the values of a closed set."""
        return [CompletionItem(choice) for choice in self.choices if choice.startswith(incomplete)]


class SettingOption(click.Option):
    """The flag of one setting, shown in the help under its section."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        switch = setting.kind is bool
        super().__init__(
            [setting.flag + (f"/--no-{setting.flag[2:]}" if switch else ""), _parameter(setting)],
            type=click.BOOL if switch else SettingType(setting),
            default=None,
            multiple=setting.is_list,
            help=setting.description + _default_words(setting),
        )


class SectionedCommand(click.Command):
    """A command whose help shows its settings by section, after its own options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then each section's."""
        groups: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)):
                groups.setdefault(_title(param), []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _title(param: click.Parameter) -> str:
    if not isinstance(param, SettingOption):
        return "Options"
    section = param.setting.section
    return f"[{section}] {SECTIONS[section].rstrip('.')}"


def _default_words(setting: Setting) -> str:
    if setting.default in (None, ()):
        return ""
    if setting.kind is bool:
        return " [on]" if setting.default else " [off]"
    shown = f"{setting.default:g}" if setting.kind is float else setting.default
    return f" [{shown}]"


def _parameter(setting: Setting) -> str:
    return setting.key.replace(".", "__")


def with_settings(*sections: str, daemon: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``--config``, the flags of ``sections``, and its Settings as first argument.

    Logging is configured while the command runs; only a daemon logs less than warnings when nobody asked for it.
    """
    shown = [setting for section in sections for setting in in_section(section)]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(config_file: Path | None, **arguments: Any) -> Any:
            flags = {s.key: arguments.pop(_parameter(s)) for s in shown}
            given = {key: value for key, value in flags.items() if value not in (None, ())}
            settings = load(config_file, given)
            with _logging(settings, daemon):
                return command(settings, **arguments)

        vars(run)["__click_params__"] = [*map(SettingOption, reversed(shown)), *getattr(run, "__click_params__", [])]
        return _config_option(run)

    return decorate


_config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="SIMPLEVOICE_CONFIG",
    metavar="FILE",
    help=f"Read settings from this TOML file, after {SYSTEM_FILE}.",
)


def _logging(settings: Settings, daemon: bool) -> AbstractContextManager[None]:
    from simplevoice import logs  # structlog takes longer to import than --help may take

    config = settings.config.logging
    if not daemon and settings.origins["logging.level"] == DEFAULT:
        config = msgspec.structs.replace(config, level="warning")
    return logs.configure(config)
