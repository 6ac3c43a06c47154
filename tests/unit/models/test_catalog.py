"""The catalogue is complete and consistent."""

import re

import pytest

from simplevoice.errors import WeightsUnavailableError
from simplevoice.models.catalog import CATALOG, Hub, Model, Wheels, find, llm_candidates

ALL = pytest.mark.parametrize("model", CATALOG.values(), ids=list(CATALOG))


@ALL
def test_every_file_has_a_digest_or_a_pinned_source_that_announces_one(model: Model) -> None:
    for source in model.sources:
        for file in source.files:
            if file.sha256 is None:
                assert isinstance(source, Hub)
                assert re.fullmatch(r"[0-9a-f]{40}", source.revision)
            else:
                assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
                assert file.size


@ALL
def test_every_file_of_a_wheel_source_has_parts(model: Model) -> None:
    for source in model.sources:
        if isinstance(source, Wheels):
            assert set(source.parts) == {file.name for file in source.files}
            assert all(source.parts.values())


@ALL
def test_file_names_stay_in_the_folder_of_the_model(model: Model) -> None:
    names = [model.name, *(file.name for source in model.sources for file in source.files)]
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) for name in names)


def test_the_default_set_hears_finds_turns_and_speaks_to_nobody_yet() -> None:
    assert {model.kind for model in CATALOG.values() if model.default} == {"stt", "vad", "turn"}


def test_the_tests_use_one_model_of_each_kind() -> None:
    kinds = [model.kind for model in CATALOG.values() if model.for_tests]
    assert sorted(kinds) == ["llm", "stt", "tts", "turn", "vad"]


def test_size_is_that_of_the_first_source() -> None:
    assert find("smart-turn-v3").size == 8_679_182
    assert find("whisper-base").size == 150_218_479


def test_size_is_unknown_while_a_file_is() -> None:
    assert find("piper-ar-male").size is None


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(WeightsUnavailableError, match="no weights are called 'nope'; there are whisper-base,"):
        find("nope")


def test_llm_candidates_begin_with_the_best_for_the_machine() -> None:
    assert llm_candidates(gpu=True)[0] == "qwen3-1.7b"
    assert llm_candidates(gpu=False) == ("qwen3-0.6b", "smollm2-135m")
    assert all(find(name).kind == "llm" for name in llm_candidates(gpu=True))
