"""What holds for every test: nothing in simplevoice may block the event loop."""

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    """Fail a call that blocks while an event loop runs, where it comes from simplevoice."""
    with blockbuster_ctx("simplevoice"):
        yield
