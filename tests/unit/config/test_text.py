"""Settings as text: what is printed can be read back, and the files made from the table are up to date."""

import tomllib
from pathlib import Path

import pytest

from simplevoice.config import Config
from simplevoice.config.sources import load
from simplevoice.config.table import SETTINGS
from simplevoice.config.text import MASK, commented_file, describe, reference, toml_value, write_files

ROOT = Path(__file__).parents[3]
NOWHERE = Path("/nonexistent/simplevoice.toml")


@pytest.mark.parametrize("value", ['a "b" \\ \n\t\x7f\x01 مرحبا', True, False, 5, 0.25, 60.0, ("a", "ب"), ()])
def test_toml_value_reads_back(value: object) -> None:
    read = tomllib.loads(f"x = {toml_value(value)}")["x"]
    assert (tuple(read) if isinstance(read, list) else read) == value


def test_describe_reads_back_as_the_same_settings(tmp_path: Path) -> None:
    fallbacks = '[{"engine": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "a \\"b\\""}, {}]'
    flags = {
        "llm.fallbacks": fallbacks,
        "llm.model": "qwen",
        "server.path_prefixes": ("/a", "/b"),
        "models.offline": True,
        "tts.rate": "+10%",
    }
    settings = load(None, flags, {}, NOWHERE)
    file = tmp_path / "printed.toml"
    file.write_text(describe(settings))
    assert load(file, {}, {}, NOWHERE).config == settings.config


def test_describe_tells_origins_and_masks_secrets() -> None:
    environ = {"SIMPLEVOICE_LLM_API_KEY": "very-secret", "SIMPLEVOICE_ALLOWED_HOSTS": "a.example,b.example"}
    environ["SIMPLEVOICE_LLM_FALLBACKS"] = '[{"model": "m", "api_key": "very-secret-3"}]'
    text = describe(load(None, {"server.port": "9000"}, environ, NOWHERE))
    assert "very-secret" not in text
    printed = tomllib.loads(text)
    assert printed["llm"]["api_key"] == MASK
    assert printed["llm"]["fallbacks"] == [{"model": "m", "api_key": MASK}]
    assert printed["stt"]["api_key"] == ""
    lines = {line.split(" = ")[0]: line.split("# ")[1] for line in text.splitlines() if " = " in line}
    assert lines["port"] == "--port"
    assert lines["allowed_hosts"] == "SIMPLEVOICE_ALLOWED_HOSTS"
    assert lines["host"] == "default"


def test_commented_file_sets_nothing() -> None:
    assert tomllib.loads(commented_file()) == {name: {} for name in Config.__struct_fields__}


def test_commented_file_uncommented_is_the_defaults(tmp_path: Path) -> None:
    lines = commented_file().splitlines()
    file = tmp_path / "uncommented.toml"
    file.write_text("\n".join(line[1:] if line[:1] == "#" and line[1:2] not in ("", " ") else line for line in lines))
    settings = load(file, {}, {}, NOWHERE)
    assert settings.config == Config()
    assert set(settings.origins.values()) == {str(file)}, "a setting is missing"


def test_files_in_the_repository_are_up_to_date(tmp_path: Path) -> None:
    for name in ("docs", "systemd"):
        (tmp_path / name).mkdir()
    write_files(tmp_path)
    for name in ("docs/configuration.md", "systemd/simplevoice.toml"):
        assert (ROOT / name).read_text("utf-8") == (tmp_path / name).read_text("utf-8"), f"{name}: run `make docs`"


def test_reference_names_every_setting() -> None:
    text = reference()
    for setting in SETTINGS.values():
        assert f"| `{setting.name}` | `{setting.variable}`<br>`{setting.flag}` |" in text
