import os
import subprocess
import sys

from tests.benchmarks.processes import cpu_seconds, peak_mib

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', {!r}])"
CHILD = "held = bytearray(64 * 2**20); end = 0\nfor n in range(3 * 10**6): end += n\nprint(flush=True); input()"


def test_children_count() -> None:
    command = [sys.executable, "-c", PARENT.format(CHILD)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert peak_mib(process.pid) > 64
        assert cpu_seconds(process.pid) > 0.1
        process.communicate(b"\n")


def test_work_and_memory_only_grow() -> None:
    before = cpu_seconds(os.getpid()), peak_mib(os.getpid())
    held = bytearray(2**20)
    assert len(held) == 2**20
    assert cpu_seconds(os.getpid()) >= before[0]
    assert peak_mib(os.getpid()) >= before[1]
