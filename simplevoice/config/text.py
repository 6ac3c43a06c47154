"""Settings as text: the effective ones with their origins, the commented file, and the reference in the docs.

``python -m simplevoice.config.text`` writes the two files again that are made from the table.
"""

import json
import textwrap
from pathlib import Path
from typing import Any

from simplevoice.config.sources import SYSTEM_FILE, Settings
from simplevoice.config.table import SECTIONS, Setting, as_table, in_section, in_table

MASK = "***"
"""Stands for a secret. Too short to be a token, should somebody feed the text back."""


def toml_value(value: Any) -> str:
    """Write a setting's value in TOML; None, which TOML can't say, as the empty string that unsets."""
    if value is None:
        return '""'
    if isinstance(value, tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {toml_value(item)}' for name, item in value.items())} }}"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    # JSON's strings are TOML's, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _masked(setting: Setting, value: Any) -> Any:
    """Give a value as it may be shown; of a table, what it says."""
    if setting.table:
        secret = {one.name for one in in_table(setting.section) if one.secret}
        tables = [as_table(setting.section, table) for table in value]
        return tuple({name: MASK if name in secret else item for name, item in table.items()} for table in tables)
    return MASK if setting.secret and value else value


def describe(settings: Settings) -> str:
    """Write the effective settings as TOML, each with its origin as a comment, secrets masked."""
    return "\n".join(_described_section(settings, section) for section in SECTIONS)


def _described_section(settings: Settings, section: str) -> str:
    rows = []
    for setting in in_section(section):
        value = setting.of(settings.config)
        line = f"{setting.name} = {toml_value(_masked(setting, value))}"
        rows.append((line, settings.origins[setting.key]))
    width = min(48, max(len(line) for line, _ in rows))
    return "".join([f"[{section}]\n", *(f"{line:{width}}  # {origin}\n" for line, origin in rows)])


def commented_file() -> str:
    """Write a configuration file that says everything and sets nothing."""
    head = f"""\
# The settings of simplevoice. Each is shown with its default: remove the # in front and change it.
# The daemon reads {SYSTEM_FILE}, then the file of --config, then the
# environment (SIMPLEVOICE_*), then its flags; the last one that names a setting wins.
# `simplevoice serve --print-config` shows what is in force and where it came from.
"""
    return head + "".join(f"\n\n[{name}]\n# {about}\n{_commented(name)}" for name, about in SECTIONS.items())


def _commented(section: str) -> str:
    parts = []
    for setting in in_section(section):
        words = _sentence(setting) + (" Empty: not set." if setting.optional else "")
        comment = textwrap.fill(words, 100, initial_indent="# ", subsequent_indent="# ")
        parts.append(f"\n{comment}\n#{setting.name} = {toml_value(setting.default)}\n")
    return "".join(parts)


def _sentence(setting: Setting) -> str:
    """Say what a setting is for, and what it may be where that isn't plain from its default."""
    if setting.allowed in ("text", "text, not empty", "true or false"):
        return setting.description
    return f"{setting.description} {setting.allowed[0].upper()}{setting.allowed[1:]}."


def reference() -> str:
    """Write the reference of all settings, in Markdown."""
    return _REFERENCE_HEAD + "".join(
        f"\n## [{name}]\n\n{about}\n\n{_reference_table(name)}" for name, about in SECTIONS.items()
    )


def _reference_table(section: str) -> str:
    head = "| key | variable and flag | default | |\n|---|---|---|---|\n"
    return head + "".join(
        f"| `{s.name}` | `{s.variable}`<br>`{s.flag}` | {_default(s)} | {_sentence(s)} |\n" for s in in_section(section)
    )


def _default(setting: Setting) -> str:
    return f"`{toml_value(setting.default)}`" + (" ↻" if setting.needs_restart else "")


_REFERENCE_HEAD = f"""\
# Configuration

<!-- Made by `make docs` from simplevoice/config/__init__.py; change it there. -->

simplevoice needs no configuration. Every setting can be given in four ways, a secret in five. The last one that names
it wins:

1. `{SYSTEM_FILE}`, where it exists,
2. the TOML file of `--config FILE` (or of the variable `SIMPLEVOICE_CONFIG`),
3. an environment variable,
4. for a secret, a credential of systemd named as the key, such as `llm.api_key` (see
   [operations.md](operations.md)),
5. a flag of `simplevoice serve`.

```console
$ simplevoice serve --port 9000 --path-prefix /api/v1
$ SIMPLEVOICE_PORT=9000 SIMPLEVOICE_PATH_PREFIXES=/api/v1,/voice simplevoice serve
$ simplevoice serve --config my.toml --print-config
```

`--print-config` shows what is in force and where each value came from, secrets masked.
[systemd/simplevoice.toml](../systemd/simplevoice.toml) is a file to start from: it holds every setting at its default.
The files and the environment are read by `say`, `voices`, `check` and `models` too.

- Every value is checked before anything starts, and all that is wrong is told at once. Unknown keys and unknown
  `SIMPLEVOICE_` variables are errors: a misspelled setting is never quietly ignored.
- `fallbacks` are tables with the settings of their section, but for those that hold for all of them. A fallback
  inherits nothing. In a file each begins with `[[llm.fallbacks]]`; as a variable or flag they are a JSON array of
  objects. [failures.md](failures.md) says when they are used.
- In the environment, lists are separated by commas, switches are `true`, `false`, `1` or `0`, and an empty variable
  counts as not set. In a file, `""` unsets what may be unset. A later source replaces a list; it does not add to it.
- A reload (`systemctl reload simplevoice`, or SIGHUP) reads all of it again, and puts it in force without closing a
  connection, but for the settings marked ↻, which need a restart; the log names those that changed. When anything is
  wrong, nothing changes. Open connections keep their limits and turn settings; voices and language model change with
  their next turn.
- A secret belongs into the environment or into a file that only the daemon can read: flags are seen by all users of
  the machine.
- In Kubernetes, a Service named `simplevoice` makes variables such as `SIMPLEVOICE_PORT=tcp://...`, which are refused.
  Give it another name, or set `enableServiceLinks: false` in the pod.
- `SIMPLEVOICE_CLIENT_URL` tells `talk`, `status`, `say` and `bench` where to connect, `SIMPLEVOICE_CLIENT_TOKEN` or
  `SIMPLEVOICE_CLIENT_TOKEN_FILE` with what token, and `SIMPLEVOICE_CLIENT_CA` whose certificates to trust.
"""


def write_files(root: Path) -> None:
    """Write docs/configuration.md and systemd/simplevoice.toml under the root of the repository."""
    (root / "docs/configuration.md").write_text(reference(), "utf-8")
    (root / "systemd/simplevoice.toml").write_text(commented_file(), "utf-8")


if __name__ == "__main__":
    write_files(Path(__file__).parents[2])
