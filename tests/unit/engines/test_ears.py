from pathlib import Path

import pytest

from simplevoice.config import Config, ModelsConfig, TurnsConfig
from simplevoice.engines.ears import open_ears
from simplevoice.errors import WeightsUnavailableError
from simplevoice.models.store import ModelStore


def test_without_voice_activity_nobody_is_heard(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="silero-vad"):
        open_ears(Config(models=ModelsConfig(dir=str(tmp_path), offline=True)))


@pytest.mark.models
def test_without_smart_turn_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "silero-vad").symlink_to(ModelStore(ModelsConfig()).path("silero-vad"))
    models = ModelsConfig(dir=str(tmp_path), offline=True)
    assert open_ears(Config(models=models)).smart_turn is None


@pytest.mark.models
@pytest.mark.parametrize("wanted", [True, False])
def test_smart_turn_listens_where_it_is_wanted(wanted: bool) -> None:
    assert (open_ears(Config(turns=TurnsConfig(smart_turn=wanted))).smart_turn is not None) is wanted
