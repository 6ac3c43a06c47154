"""Puts the settings in force that stand in the files now, without closing a connection."""

import asyncio
import time
from collections.abc import Callable

import msgspec
import structlog
from aiohttp import web

from simplevoice import systemd
from simplevoice.config import Config
from simplevoice.config.sources import Settings
from simplevoice.config.table import SETTINGS, Setting
from simplevoice.errors import ConfigError, SimpleVoiceError
from simplevoice.server.keys import LIVE

log = structlog.get_logger(__name__)


async def reload(app: web.Application, read_again: Callable[[], Settings]) -> None:
    """Read the settings again and put them in force; when something is wrong, say what in the log and change nothing.

    Of settings that need a restart the old values stay in force; which they are is logged.
    """
    systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        new = (await asyncio.to_thread(read_again)).config
        old = app[LIVE].config
        waiting = [setting for setting in SETTINGS.values() if setting.needs_restart and _differs(setting, old, new)]
        possible = _with_values_of(new, old, waiting)
        changed = [setting.key for setting in SETTINGS.values() if _differs(setting, old, possible)]
        await app[LIVE].replace(possible)
        log.info("settings_reloaded", changed=changed)
        if waiting:
            log.warning("restart_needed", settings=[setting.key for setting in waiting])
    except ConfigError as error:
        log.error("settings_refused", problems=error.problems)
    except SimpleVoiceError as error:
        log.error("settings_refused", problems=[str(error)])
    except Exception:
        log.exception("reload_crashed")
    finally:
        systemd.notify("READY=1")


def _differs(setting: Setting, one: Config, other: Config) -> bool:
    return bool(setting.of(one) != setting.of(other))


def _with_values_of(config: Config, other: Config, settings: list[Setting]) -> Config:
    """Take some settings over from another configuration."""
    for setting in settings:
        section = msgspec.structs.replace(getattr(config, setting.section), **{setting.name: setting.of(other)})
        config = msgspec.structs.replace(config, **{setting.section: section})
    return config
