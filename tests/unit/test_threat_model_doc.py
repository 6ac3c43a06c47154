"""docs/threat-model.md names the tests that show what it claims; they are there."""

import re
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DOC = (ROOT / "docs" / "threat-model.md").read_text()
TEST = r"`([\w/]*test[\w/]*(?:\.py|/))`"
"""A file or a folder: below tests/unit, or from the root."""


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(TEST, DOC))
    assert named
    missing = {name for name in named if not (ROOT if name.startswith("tests/") else HERE).joinpath(name).exists()}
    assert missing == set()


def test_every_threat_has_a_test() -> None:
    rows = [line for line in DOC.splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    assert rows
    assert [row for row in rows if not re.search(f"{TEST} \\|$", row)] == []
