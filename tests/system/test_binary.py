"""The one file on a Debian 12 that has nothing for it but libc, a shell and certificates, as a user without rights."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simplevoice import __version__
from tests.system.machine import BARE, PATIENT, Machine

pytestmark = [pytest.mark.system, pytest.mark.timeout(500)]

USER = "visitor"
READY_SECONDS, STOP_SECONDS = 150.0, 40.0
"""On a machine with much else to do; alone it takes a tenth of each."""

VERSION_SECONDS = 0.5
"""What a start may take once the file is unpacked, of a processor's time: by the clock others' work would count too."""


@pytest.fixture(scope="module")
def machine(
    base: Path, binary: Path, weights: Path, recordings: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    binds = {
        binary: "/usr/local/bin/simplevoice",
        weights: "/srv/weights",
        recordings: "/srv/recordings",
        wheels: "/srv/wheels",
    }
    with Machine.booted(base, tmp_path_factory.mktemp("machine"), binds) as machine:
        machine.run("useradd", "--create-home", USER)
        yield machine


@pytest.fixture(scope="module")
def daemon(machine: Machine) -> Iterator[subprocess.Popen[str]]:
    """`simplevoice serve`, with weights copied from a folder; ready."""
    environment = PATIENT | {"SIMPLEVOICE_MODELS_SOURCE_DIR": "/srv/weights", "SIMPLEVOICE_MODELS_OFFLINE": "true"}
    with machine.start("simplevoice", "serve", user=USER, **environment) as process:

        def ready() -> bool:
            assert process.poll() is None, process.communicate()[0]
            status = machine.run("simplevoice", "status", "--json", user=USER, check=False)
            return status.startswith("{") and json.loads(status)["status"] in ("available", "degraded")

        try:
            machine.wait_until(ready, "the daemon is ready", READY_SECONDS)
            yield process
        finally:
            process.kill()


def test_the_machine_has_nothing_that_would_help(machine: Machine) -> None:
    for pattern in BARE:
        found = machine.run("find", "/usr", "/opt", "-name", pattern, "-not", "-path", "/usr/share/*")
        assert found == "", found


def test_it_starts_fast_once_it_is_unpacked(machine: Machine) -> None:
    assert machine.run("simplevoice", "--version", user=USER) == f"simplevoice {__version__}"
    assert min(_processor_seconds(machine) for _ in range(5)) <= VERSION_SECONDS


def _processor_seconds(machine: Machine) -> float:
    """Measure a start, with what it takes to get into the machine."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    machine.run("simplevoice", "--version", user=USER)
    return spent() - before


def test_it_fetches_weights_with_the_pip_inside(machine: Machine) -> None:
    said = machine.run(
        *("simplevoice", "models", "pull", "silero-vad", "--models-dir", "/tmp/fetched"),
        user=USER,
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS="/srv/wheels",
    )
    assert said.endswith("The weights are in /tmp/fetched")
    said = machine.run("simplevoice", "models", "verify", "--models-dir", "/tmp/fetched", user=USER)
    assert said == "silero-vad: as it should be"


def test_it_fetches_weights_from_a_folder(machine: Machine) -> None:
    pull = ("simplevoice", "models", "pull", "--models-source-dir", "/srv/weights", "--models-offline")
    assert "The weights are in /home/visitor/.cache/simplevoice/models" in machine.run(*pull, user=USER)


def test_check_finds_no_problem(machine: Machine, daemon: subprocess.Popen[str]) -> None:
    findings = json.loads(machine.run("simplevoice", "check", "--json", user=USER))
    assert [finding for finding in findings if finding["level"] == "problem"] == []
    levels = {finding["subject"]: finding["level"] for finding in findings}
    assert levels["software"] == levels["weights"] == levels["local voice"] == "ok"


@pytest.mark.parametrize("audio_format", ["mp3", "opus"])
def test_a_conversation(machine: Machine, daemon: subprocess.Popen[str], audio_format: str) -> None:
    answer = f"/var/tmp/answer.{audio_format}"
    said = machine.run(
        *("simplevoice", "talk", "--language", "en", "--file", "/srv/recordings/en-LJ001-0012.wav"),
        *("--format", audio_format, "--save", answer),
        user=USER,
    )
    assert "espeak" in said, said
    assert (machine.root / answer.removeprefix("/")).stat().st_size > 5000


def test_the_web_client_is_inside(machine: Machine, daemon: subprocess.Popen[str]) -> None:
    fetch = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
    with machine.beside(sys.executable, "-c", fetch, "http://127.0.0.1:8000/") as client:
        page, _ = client.communicate(timeout=READY_SECONDS)
    assert "</html>" in page


def test_it_ends_when_it_is_told_to(machine: Machine, daemon: subprocess.Popen[str]) -> None:
    machine.run("sh", "-c", "kill $(pidof simplevoice)")
    assert daemon.wait(STOP_SECONDS) == 0
