import gc
import os
import subprocess
import sys
import weakref

import pytest

from simplevoice import memory

PROGRAM = """
import ctypes, os, sys, threading
from simplevoice import memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.fopen.restype = ctypes.c_void_p, ctypes.c_void_p
if sys.argv[1] == "bound":
    memory.bound_arenas()
together = threading.Barrier(9)

def allocate():
    libc.malloc(1000)
    together.wait()
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
together.wait()
report = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, ctypes.c_void_p(report))
libc.fflush(ctypes.c_void_p(report))
together.wait()
"""


def arenas(mode: str) -> int:
    """Count the arenas of a process in which eight threads hold memory."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", PROGRAM, mode]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout.count("<heap ")


@pytest.mark.skipif(
    not hasattr(os, "confstr_names") or "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="no glibc"
)
def test_eight_threads_share_two_arenas() -> None:
    assert arenas("bound") == 2
    assert arenas("free") > 2


def run(program: str) -> None:
    """Run it in a process of its own: there is one garbage collector for all of it."""
    begin = """
import gc, weakref
from simplevoice import memory

class Thing:
    def __init__(self):
        self.itself = self

gc.disable()
"""
    subprocess.run([sys.executable, "-c", begin + program], check=True, timeout=20)


def test_what_was_there_is_not_collected_and_the_rest_is() -> None:
    run("""
old = Thing()
there = weakref.ref(old)
threshold = gc.get_threshold()
with memory.spared(lambda: 0):
    assert gc.get_freeze_count() > 0 and not gc.get_objects(generation=2)
    assert gc.get_threshold() == memory.THRESHOLDS
    young = Thing()
    gone = weakref.ref(young)
    del old, young
    memory.tidy()
    assert there() is not None and gone() is None
assert gc.get_threshold() == threshold and not gc.callbacks
""")


def test_connections_that_stay_are_set_aside_until_nobody_is_there() -> None:
    run("""
connections = 0
with memory.spared(lambda: connections):
    for connections in (memory.MORE_CONNECTIONS - 1, memory.MORE_CONNECTIONS, memory.MORE_CONNECTIONS + 1):
        thing = Thing()
        gc.collect()
        there = weakref.ref(thing)
        del thing
        gc.collect()
        assert (there() is None) is (connections != memory.MORE_CONNECTIONS), connections
        kept = kept if connections > memory.MORE_CONNECTIONS else there
    assert kept() is not None
    connections = 0
    memory.tidy()
    assert kept() is None
    assert gc.get_freeze_count() > 0 and not gc.get_objects(generation=2)
""")


def test_it_tidies_up_what_hangs_together_in_a_circle() -> None:
    class Thing:
        def __init__(self) -> None:
            self.itself = self

    gone = weakref.ref(Thing())
    memory.tidy()
    assert gone() is None


def test_no_garbage_is_looked_for_while_much_is_imported() -> None:
    enabled = gc.isenabled()
    with memory.uncollected():
        assert not gc.isenabled()
        with memory.uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled() is enabled
