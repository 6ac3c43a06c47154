"""The engines are made by name, and only the chosen one's libraries are imported."""

import subprocess
import sys

import pytest

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.llm import ENGINES, create_engine


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_is_made_unloaded_by_its_name(name: str) -> None:
    engine = create_engine(name, LlmConfig(), ModelsConfig())
    assert engine.name == name
    assert engine.health().state == "stopped"


def test_only_the_libraries_of_the_chosen_engine_are_imported() -> None:
    code = (
        "import sys; from simplevoice.llm import *; from simplevoice.llm import create; "
        "from simplevoice.config import *; create(LlmConfig(engine='echo'), ModelsConfig()); "
        "sys.exit(bool({'openai', 'xllamacpp'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=25)
