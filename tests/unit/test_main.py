import subprocess
import sys

from simplevoice import __version__


def test_python_dash_m() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simplevoice", "--version"], capture_output=True, text=True, check=True
    )
    assert __version__ in done.stdout
