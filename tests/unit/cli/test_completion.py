"""Tab completion: what is printed for a shell, and what the program then answers to it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from simplevoice.cli import main


def complete(*words: str, tmp_path: Path) -> set[str]:
    """Ask as bash does when the last word is being typed."""
    environ = {
        "_SIMPLEVOICE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["simplevoice", *words]),
        "COMP_CWORD": str(len(words)),
        "SIMPLEVOICE_MODELS_DIR": str(tmp_path),
    }
    command = [sys.executable, "-c", "from simplevoice.cli import main; main(prog_name='simplevoice')"]
    done = subprocess.run(command, env={**os.environ, **environ}, check=True, capture_output=True, text=True)
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0, result.stderr
    assert f"_SIMPLEVOICE_COMPLETE={shell}_complete" in result.stdout


def test_bash_takes_what_is_printed() -> None:
    script = CliRunner().invoke(main, ["completion", "bash"]).stdout
    done = subprocess.run(
        ["bash", "-c", f"{script}\ncomplete -p simplevoice"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "_simplevoice_completion" in done.stdout


@pytest.mark.parametrize(
    ("words", "some"),
    [
        (["ta"], {"talk"}),
        (["talk", "--language", ""], {"ar", "en"}),
        (["say", "hello", "--voice", "ar"], {"ar+f3", "ar+m3", "ar-SA-ZariyahNeural", "ar-SA-HamedNeural"}),
        (["models", "pull", "smol"], {"smollm2-135m"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_typed_is_completed(words: list[str], some: set[str], tmp_path: Path) -> None:
    assert complete(*words, tmp_path=tmp_path) >= some
