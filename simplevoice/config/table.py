"""The table of all settings, made from the structs of ``config``: names, types, bounds, words."""

import math
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from simplevoice.config import Config, Section

PREFIX = "SIMPLEVOICE_"


NEEDS_RESTART = frozenset(
    {
        "server.host",
        "server.port",
        "server.path_prefixes",
        "server.tls_cert",
        "server.tls_key",
        "limits.handshake_seconds",
        "turns.smart_turn",
        "logging.format",
    }
)
NEEDS_RESTART_WHOLE = frozenset({"stt", "models"})
"""What a reload can't change: settings, and whole sections."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: field ``name`` of ``section``. ``kind`` is its type without None and without constraints.

    ``checked`` is the type with its constraints, ``allowed`` says them in words.
    """

    section: str
    name: str
    kind: Any
    checked: Any
    optional: bool
    default: Any
    description: str
    allowed: str
    flag: str
    secret: bool
    common: bool
    """Whether it stands once in its section, not in each of the section's fallbacks."""

    @property
    def key(self) -> str:
        """Name it as problems and origins do: ``server.port``."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """Name its environment variable."""
        return PREFIX + _prefixed(self.section, self.name, "_").upper()

    @property
    def needs_restart(self) -> bool:
        """Tell whether a reload can't change it."""
        return self.section in NEEDS_RESTART_WHOLE or self.key in NEEDS_RESTART

    def of(self, config: Config) -> Any:
        """Give its value."""
        return getattr(getattr(config, self.section), self.name)

    @property
    def choices(self) -> tuple[str, ...]:
        """List the values of a closed set; empty for others."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def is_list(self) -> bool:
        """Tell whether it holds several values."""
        return get_origin(self.kind) is tuple and self.table is None

    @property
    def table(self) -> type[Section] | None:
        """Give the struct of each table, where it holds tables of its own section's settings."""
        return _table(self.kind)

    def convert(self, value: object) -> Any:
        """Check a value of TOML's types, or raise ValueError. An empty string unsets what is optional."""
        if self.optional and value == "":
            return None
        return _sound(msgspec.convert(value, self.checked))

    def parse(self, text: str) -> Any:
        """Check a value written as text: lists are split at commas. Raises ValueError."""
        if self.is_list:
            return self.convert([part for item in text.split(",") if (part := item.strip())])
        if self.kind in (bool, int, float):
            return _sound(msgspec.convert(text, self.checked, strict=False))
        return self.convert(text)


def _sound(value: Any) -> Any:
    """Refuse what no bound excludes: nan, infinity, and bytes of the environment that aren't UTF-8."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not finite")
    if isinstance(value, str):
        value.encode()
    return value


def _prefixed(section: str, name: str, separator: str) -> str:
    """Put the section before the name; ``[server]`` adds none."""
    return name if section == "server" else f"{section}{separator}{name}"


def _setting(section: str, field: msgspec.structs.FieldInfo) -> Setting:
    annotated, own = get_args(field.type)[0], get_args(field.type)[-1]
    inner, optional = _without_none(annotated)
    checked = inner if optional else field.type
    kind, constraints = _split(checked)
    extra = own.extra or {}
    flag = extra.get("flag") or _prefixed(section, field.name, "-").replace("_", "-")
    return Setting(
        section=section,
        name=field.name,
        kind=kind,
        checked=checked,
        optional=optional,
        default=field.default,
        description=own.description or "",
        allowed=f"a list of tables, [[{section}.{field.name}]]" if _table(kind) else _allowed(kind, constraints),
        flag=f"--{flag}",
        secret=bool(extra.get("secret")),
        common=bool(extra.get("common")),
    )


def _without_none(kind: Any) -> tuple[Any, bool]:
    if get_origin(kind) not in (UnionType, Union):
        return kind, False
    (inner,) = (arm for arm in get_args(kind) if arm is not NoneType)
    return inner, True


def _split(kind: Any) -> tuple[Any, list[Meta]]:
    if get_origin(kind) is not Annotated:
        return kind, []
    core, *metas = get_args(kind)
    return core, metas


def _table(kind: Any) -> type[Section] | None:
    item = get_args(kind)[0] if get_origin(kind) is tuple else None
    return item if isinstance(item, type) and issubclass(item, Section) else None


def _allowed(kind: Any, metas: list[Meta]) -> str:
    """Say what a type allows, to stand after "must be"."""
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return f"a list, each item {_allowed(*_split(get_args(kind)[0]))}"
    if words := next((meta.description for meta in metas if meta.pattern), None):
        return words
    bounds = {name: value for meta in metas for name in _BOUNDS if (value := getattr(meta, name)) is not None}
    noun = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[kind]
    return noun + "".join(_BOUNDS[name].format(value) for name, value in bounds.items())


_BOUNDS = {
    "ge": " from {}",
    "gt": " above {} and up",
    "le": " to {}",
    "min_length": ", not empty",
    "max_length": ", at most {} characters",
}


def _settings() -> dict[str, Setting]:
    fields = [
        (section, field) for section in msgspec.structs.fields(Config) for field in msgspec.structs.fields(section.type)
    ]
    made = [_setting(section.name, field) for section, field in fields]
    return {setting.key: setting for setting in made}


SETTINGS = _settings()
"""Every setting by its key, in the order of the structs."""

SECTIONS: dict[str, str] = {section.name: section.type.__doc__ for section in msgspec.structs.fields(Config)}
"""What each section is about."""


def in_section(section: str) -> list[Setting]:
    """List the settings of one section."""
    return [setting for setting in SETTINGS.values() if setting.section == section]


def in_table(section: str) -> list[Setting]:
    """List the settings of one table of a section's fallbacks."""
    return [setting for setting in in_section(section) if not setting.common]


def as_table(section: str, table: Section) -> dict[str, Any]:
    """Give what a table of a section's fallbacks says, without defaults."""
    values = {setting: getattr(table, setting.name) for setting in in_table(section)}
    return {setting.name: value for setting, value in values.items() if value != setting.default}
