"""docs/threat-model.md names the tests that show what it claims; they are there."""

import re
from pathlib import Path

HERE = Path(__file__).parent
DOC = (HERE.parents[1] / "docs" / "threat-model.md").read_text()


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", DOC))
    assert named
    assert {name for name in named if not (HERE / name).exists()} == set()


def test_every_threat_has_a_test() -> None:
    rows = [line for line in DOC.splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    assert rows
    assert [row for row in rows if not re.search(r"`[\w/]+\.py` \|$", row)] == []
