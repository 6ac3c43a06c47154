"""The units: systemd finds nothing wrong with them, little of the host is open to the daemon, and both kinds agree."""

import difflib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from simplevoice.config import LimitsConfig
from simplevoice.config.table import SETTINGS
from simplevoice.server.app import UNLOAD_SECONDS
from simplevoice.server.drain import CLOSE_SECONDS
from simplevoice.server.run import HANDLERS_SECONDS
from simplevoice.server.start import THREADS_SECONDS

UNITS = Path(__file__).parents[2] / "systemd"
EXPOSURE = 2.0

analyzed = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units where systemd looks for them, with a program that there is."""
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.socket")]:
        text = unit.read_text().replace("/usr/local/bin/simplevoice", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def analyze(*arguments: str, units: Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", *arguments],
        env={"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": "/usr/bin:/bin"},
        cwd=units,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.stdout


@analyzed
@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize(
    "unit", ["simplevoice.service", "simplevoice.socket", "simplevoice@8001.service", "simplevoice@8001.socket"]
)
def test_systemd_finds_nothing_wrong(units: Path, unit: str, gpu: bool) -> None:
    if gpu:
        for name in ("simplevoice.service.d", "simplevoice@.service.d"):
            (units / name).mkdir()
            shutil.copy(UNITS / "gpu.conf", units / name)
    file = units / unit
    if "@" in unit:
        shutil.copy(units / unit.replace("8001", ""), file)
    assert analyze("verify", f"./{unit}", units=units) == ""


@analyzed
@pytest.mark.parametrize("unit", ["simplevoice.service", "simplevoice@.service"])
def test_little_of_the_host_is_open_to_it(units: Path, unit: str) -> None:
    told = analyze("security", "--offline=true", "--no-pager", f"./{unit}", units=units)
    exposure = re.search(r"Overall exposure level for .*: ([0-9.]+)", told)
    assert exposure is not None, told
    assert float(exposure[1]) <= EXPOSURE


def test_the_template_is_the_plain_unit_with_a_port() -> None:
    for kind in ("service", "socket"):
        plain = (UNITS / f"simplevoice.{kind}").read_text().splitlines()
        template = (UNITS / f"simplevoice@.{kind}").read_text().splitlines()
        added = [line[2:] for line in difflib.ndiff(plain, template) if line.startswith("+ ")]
        assert all("%i" in line or line.startswith("#") for line in added), added


def test_it_has_time_to_drain() -> None:
    unit = (UNITS / "simplevoice.service").read_text()
    [stop] = re.findall(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE)
    steps = LimitsConfig().drain_seconds + CLOSE_SECONDS + HANDLERS_SECONDS + UNLOAD_SECONDS + THREADS_SECONDS
    assert int(stop) > steps


def test_what_it_names_of_the_settings_is_there() -> None:
    for unit in UNITS.glob("*.service"):
        text = unit.read_text()
        for key in re.findall(r"^LoadCredential=([^:]+):", text, re.MULTILINE):
            assert SETTINGS[key].secret
            assert f"SetCredential={key}:\\n\n" in text, "without it the daemon doesn't start where the file isn't"
        for variable in re.findall(r"\b(SIMPLEVOICE_\w+)=", text):
            assert variable in {setting.variable for setting in SETTINGS.values()}
