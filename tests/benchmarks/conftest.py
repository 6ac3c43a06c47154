from pathlib import Path

import pytest

from tests.benchmarks import spoken


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what is spoken away from the user's folder."""
    monkeypatch.setattr(spoken, "CACHE", tmp_path / "speech")
    return spoken.CACHE
