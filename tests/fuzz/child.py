"""``python -m tests.fuzz.child TARGET [libFuzzer's own arguments]``: one target, until it fails or its time is over."""

import random
import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["simplevoice.protocol", "simplevoice.speech"]):
    from tests.fuzz.targets import TARGETS, Target

REPAIRED = 0.75
"""Share of the inputs that are repaired."""


def main() -> None:
    """Hand the process over to libFuzzer."""
    name, *arguments = sys.argv[1:]
    target = TARGETS[name]
    more: dict[str, Any] = {"custom_mutator": _repairing(target)} if target.repair else {}
    atheris.Setup([sys.argv[0], f"-max_len={target.max_bytes}", *arguments], target.feed, **more)
    atheris.Fuzz()


def _repairing(target: Target) -> Any:
    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        mutated = atheris.Mutate(data, max_size)
        if target.repair is not None and random.Random(seed).random() < REPAIRED:
            mutated = target.repair(mutated)
        return bytes(mutated)

    return mutate


if __name__ == "__main__":
    main()
