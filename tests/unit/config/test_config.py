"""The structs: every default is allowed, every number is bounded, every field is described."""

import msgspec
import pytest

from simplevoice.config import Config, Section
from simplevoice.config.table import SECTIONS, SETTINGS, Setting, in_section

EVERY_SETTING = pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)


@EVERY_SETTING
def test_default_is_allowed(setting: Setting) -> None:
    # A file says the empty string where a setting is unset, and lists for tuples.
    assert setting.convert("" if setting.default is None else setting.default) == setting.default


@EVERY_SETTING
def test_number_has_both_bounds(setting: Setting) -> None:
    if setting.kind in (int, float):
        for beyond in (-1, 10**12):
            with pytest.raises(msgspec.ValidationError):
                setting.convert(beyond)


@EVERY_SETTING
def test_description_is_a_sentence(setting: Setting) -> None:
    assert setting.description.endswith(".")


def test_names_are_unique() -> None:
    settings = SETTINGS.values()
    for names in ({s.variable for s in settings}, {s.flag for s in settings}, {s.key for s in settings}):
        assert len(names) == len(settings)


def test_names_follow_the_rule() -> None:
    names = {
        key: (SETTINGS[key].variable, SETTINGS[key].flag)
        for key in ("server.port", "models.dir", "server.allowed_origins")
    }
    assert names == {
        "server.port": ("SIMPLEVOICE_PORT", "--port"),
        "models.dir": ("SIMPLEVOICE_MODELS_DIR", "--models-dir"),
        "server.allowed_origins": ("SIMPLEVOICE_ALLOWED_ORIGINS", "--allowed-origin"),
    }


def test_secrets_are_marked() -> None:
    assert {key for key, setting in SETTINGS.items() if setting.secret} == {
        "stt.api_key",
        "llm.api_key",
        "tts.proxy",
    }


def test_sections_are_those_of_config() -> None:
    config = Config()
    assert all(isinstance(getattr(config, name), Section) for name in SECTIONS)
    assert sum(len(in_section(name)) for name in SECTIONS) == len(SETTINGS)


def test_config_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Config().server.port = 1  # type: ignore[misc]  # the point
