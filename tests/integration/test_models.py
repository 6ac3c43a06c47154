"""The weights that the other tests use are here and are what the catalogue says."""

import pytest

from simplevoice.config.sources import load
from simplevoice.models.catalog import CATALOG
from simplevoice.models.store import ModelStore

pytestmark = pytest.mark.models


@pytest.mark.parametrize("name", [model.name for model in CATALOG.values() if model.for_tests])
def test_weights_are_verified(name: str) -> None:
    store = ModelStore(load(None, {}).config.models)
    assert store.present(name)
    assert store.path(name).is_dir()
