"""Where settings come from: TOML files, the environment, credentials of systemd, flags; the last that names one wins.

Every value of every source is checked, also one that a later source overrides, and all problems are told at once.
"""

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from simplevoice.config import Config, LlmConfig, Section, SttConfig
from simplevoice.config.table import PREFIX, SECTIONS, SETTINGS, Setting, in_section, in_table
from simplevoice.errors import ConfigError

SYSTEM_FILE = Path("/etc/simplevoice/simplevoice.toml")
"""Read first where it exists."""

DEFAULT = "default"
"""The origin of what nobody set."""

CLIENT_VARIABLES = frozenset(
    f"{PREFIX}{name}" for name in ("CONFIG", "CLIENT_URL", "CLIENT_TOKEN", "CLIENT_TOKEN_FILE", "CLIENT_CA")
)
"""Variables that the command line reads itself: the configuration file, and where its client commands connect."""


class Settings(msgspec.Struct, frozen=True):
    """The settings in force, and for each key, such as ``server.port``, where its value comes from."""

    config: Config
    origins: Mapping[str, str]
    read_again: Callable[[], "Settings"]
    """Reads the same sources once more. Blocks. Raises ConfigError."""


class _Reader:
    """Collects values by key, with their origins, and problems."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins = dict.fromkeys(SETTINGS, DEFAULT)
        self.problems: list[str] = []

    def take(self, setting: Setting, raw: object, origin: str, *, text: bool = False) -> None:
        """Check one value and let it override what was there."""
        problems = len(self.problems)
        read = self._value if setting.table is None else self._tables
        value = read(setting, raw, origin, setting.key, text)
        if len(self.problems) == problems:
            self.values[setting.key] = value
            self.origins[setting.key] = origin

    def _value(self, setting: Setting, raw: object, origin: str, place: str, text: bool) -> Any:
        try:
            return setting.parse(str(raw)) if text else setting.convert(raw)
        except ValueError:
            shown = "hidden" if setting.secret else _shown(raw)
            self.problems.append(f"{place}, from {origin}, is {shown}; it must be {setting.allowed}")

    def _tables(self, setting: Setting, raw: object, origin: str, place: str, text: bool) -> tuple[Section, ...]:
        """Check each of several tables. As text they are JSON."""
        if text:
            raw = _from_json(str(raw))
        if isinstance(raw, list) and all(isinstance(table, dict) for table in raw):
            return tuple(self._table(setting, table, origin, f"{place}[{n}]") for n, table in enumerate(raw))
        # What it is instead is not shown: it may hold a key.
        self.problems.append(f"{place}, from {origin}, must be {setting.allowed}{', as JSON' if text else ''}")
        return ()

    def _table(self, setting: Setting, table: Mapping[str, object], origin: str, place: str) -> Section:
        known = {one.name: one for one in in_table(setting.section)}
        values = {}
        for name, raw in table.items():
            if name in known:
                values[name] = self._value(known[name], raw, origin, f"{place}.{name}", False)
            else:
                self.unknown("setting", name, known, f"{origin}, {place}")
        assert setting.table is not None  # noqa: S101 - it is what is read here
        return setting.table(**values)

    def unknown(self, what: str, name: str, known: Iterable[str], origin: str, prefix: str = "") -> None:
        """Report a name that nothing has, with the nearest that something has; all stand behind the prefix."""
        near = difflib.get_close_matches(name, list(known), n=1)
        hint = f"; did you mean {prefix}{near[0]}?" if near else ""
        self.problems.append(f"{origin}: there is no {what} {prefix}{name}{hint}")


def load(
    config_file: Path | None = None,
    flags: Mapping[str, object] = MappingProxyType({}),
    environ: Mapping[str, str] | None = None,
    system_file: Path = SYSTEM_FILE,
) -> Settings:
    """Read all sources, or raise ConfigError with every problem. Blocks on file reads.

    ``flags`` are by key: text for a single value, a sequence of texts for a list, a bool for a switch.
    """
    reader = _Reader()
    for file in _files(system_file, config_file):
        _read_file(reader, file)
    environ = os.environ if environ is None else environ
    _read_environment(reader, environ)
    if folder := environ.get("CREDENTIALS_DIRECTORY"):
        _read_credentials(reader, Path(folder))
    _read_flags(reader, flags)
    config = _build(reader.values)
    if problems := reader.problems or list(_contradictions(config)):
        raise ConfigError(problems)
    read_again = partial(load, config_file, flags, environ, system_file)
    return Settings(config, MappingProxyType(reader.origins), read_again)


def _files(system_file: Path, config_file: Path | None) -> Iterator[Path]:
    if os.path.lexists(system_file):
        yield system_file
    if config_file is not None:
        yield config_file


def _read_file(reader: _Reader, file: Path) -> None:
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        reader.problems.append(f"{file}: can't be read: {error.strerror}")
        return
    except ValueError as error:  # broken TOML or UTF-8
        reader.problems.append(f"{file}: not valid TOML: {error}")
        return
    for section, table in tables.items():
        if section not in SECTIONS:
            _unknown_section(reader, section, str(file))
        elif not isinstance(table, dict):
            reader.problems.append(f"{file}: {section} is {_shown(table)}; it must be a table, [{section}]")
        else:
            _read_table(reader, section, table, str(file))


def _unknown_section(reader: _Reader, name: str, origin: str) -> None:
    homes = [setting.section for setting in SETTINGS.values() if setting.name == name]
    if homes:
        reader.problems.append(f"{origin}: {name} stands outside of a section; did you mean it in [{homes[0]}]?")
    else:
        reader.unknown("section", name, SECTIONS, origin)


def _unknown_setting(reader: _Reader, section: str, name: str, origin: str) -> None:
    elsewhere = [setting.key for setting in SETTINGS.values() if setting.name == name]
    if elsewhere:
        meant = " or ".join(elsewhere)
        reader.problems.append(f"{origin}: there is no setting {section}.{name}; did you mean {meant}?")
    else:
        here = [setting.name for setting in in_section(section)]
        reader.unknown("setting", name, here, origin, f"{section}.")


def _read_table(reader: _Reader, section: str, table: Mapping[str, object], origin: str) -> None:
    known = {setting.name: setting for setting in in_section(section)}
    for name, value in table.items():
        if name in known:
            reader.take(known[name], value, origin)
        else:
            _unknown_setting(reader, section, name, origin)


def _read_environment(reader: _Reader, environ: Mapping[str, str]) -> None:
    """Take every SIMPLEVOICE_ variable; an empty one counts as not set."""
    known = {setting.variable: setting for setting in SETTINGS.values()}
    for variable in sorted(environ):
        if variable in known and environ[variable]:
            reader.take(known[variable], environ[variable], variable, text=True)
        elif variable.startswith(PREFIX) and variable not in {*known, *CLIENT_VARIABLES}:
            names = [one.removeprefix(PREFIX) for one in known]
            reader.unknown("variable", variable.removeprefix(PREFIX), names, "environment", PREFIX)


def _read_credentials(reader: _Reader, folder: Path) -> None:
    """Take secrets that systemd hands over, each in a file named as its key; an empty one sets none."""
    for setting in SETTINGS.values():
        file = folder / setting.key
        if not setting.secret or not file.exists():
            continue
        try:
            value = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reader.problems.append(f"credential {setting.key}: can't be read: {type(error).__name__}")
            continue
        if value:
            reader.take(setting, value, f"credential {setting.key}", text=True)


def _read_flags(reader: _Reader, flags: Mapping[str, object]) -> None:
    for key, value in flags.items():
        setting = SETTINGS[key]
        reader.take(setting, value, setting.flag, text=isinstance(value, str))


def _build(values: Mapping[str, Any]) -> Config:
    sections = {
        field.name: field.type(**{s.name: values[s.key] for s in in_section(field.name) if s.key in values})
        for field in msgspec.structs.fields(Config)
    }
    return Config(**sections)


def _contradictions(config: Config) -> Iterator[str]:
    """Yield what is wrong between settings that are right alone."""
    engines: dict[str, SttConfig | LlmConfig] = {"stt": config.stt, "llm": config.llm}
    engines |= {f"stt.fallbacks[{n}]": fallback for n, fallback in enumerate(config.stt.fallbacks)}
    engines |= {f"llm.fallbacks[{n}]": fallback for n, fallback in enumerate(config.llm.fallbacks)}
    for place, engine in engines.items():
        if engine.engine == "openai" and not (engine.base_url or engine.api_key):
            yield f"{place}.engine is openai; it needs {place}.base_url or {place}.api_key"
    server = config.server
    if (server.tls_cert is None) != (server.tls_key is None):
        yield "server.tls_cert and server.tls_key need each other"
    for proxy in server.trusted_proxies:
        if proxy != "unix" and not _is_network(proxy):
            yield f"server.trusted_proxies holds {_shown(proxy)}; each must be an address, a network, or unix"


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _from_json(text: str) -> Any:
    """Read JSON; None where it is none."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _shown(value: object) -> str:
    """Show a wrong value in one line of bounded length."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:80]}…"
