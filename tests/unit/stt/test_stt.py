"""The recognizers are made by name, and only the chosen one's libraries are imported."""

import subprocess
import sys

import pytest

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.stt import ENGINES, Transcriber, create


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_of_the_table_is_made_unloaded(name: str) -> None:
    engine = create(SttConfig(engine=name), ModelsConfig())  # type: ignore[arg-type]  # a key of the table
    assert isinstance(engine, Transcriber)
    assert (engine.health().engine, engine.health().state) == (name, "stopped")


def test_the_remote_engine_does_not_import_whisper() -> None:
    code = """
import sys
from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.stt import create
create(SttConfig(engine="openai"), ModelsConfig())
assert "openai" in sys.modules
assert "ctranslate2" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=25)
