"""What llama says when it can't work. How it works is in the integration tests: it takes weights."""

import os
from pathlib import Path

import pytest

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.errors import ModelError, ReplyError, WeightsUnavailableError
from simplevoice.llm import ChatMessage
from simplevoice.llm.llama import LlamaModel

MESSAGES = [ChatMessage("system", "Be brief."), ChatMessage("user", "Hello")]


def llama(tmp_path: Path, **settings: str) -> LlamaModel:
    models = ModelsConfig(dir=str(tmp_path / "models"), offline=True)
    return LlamaModel(LlmConfig(**settings), models)  # type: ignore[arg-type]  # each test gives strings


async def test_it_must_be_loaded_before_it_replies(tmp_path: Path) -> None:
    with pytest.raises(ReplyError, match="not loaded"):
        await anext(llama(tmp_path).reply(MESSAGES, "en"))


async def test_weights_that_can_t_be_had_are_named(tmp_path: Path) -> None:
    model = llama(tmp_path)
    with pytest.raises(WeightsUnavailableError, match="smollm2-135m"):
        await model.load()
    health = model.health()
    assert health.state == "failed"
    assert "smollm2-135m" in (health.detail or "")


async def test_a_name_that_is_neither_file_nor_model_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match=r"no weights are called 'gpt'.*qwen3-0\.6b"):
        await llama(tmp_path, model="gpt").load()


async def test_a_file_that_is_no_model_is_named_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr("simplevoice.llm.llama_cpp.mkdtemp", lambda prefix: str(private))
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + os.urandom(1000))
    model = llama(tmp_path, model=str(file))
    with pytest.raises(ModelError, match=r"can't load broken\.gguf"):
        await model.load()
    assert model.health().state == "failed"
    assert not private.exists()
    assert capfd.readouterr() == ("", "")


async def test_a_gpu_that_is_not_there_is_not_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xllamacpp.get_device_info", list)
    with pytest.raises(ModelError, match="sees no GPU"):
        await llama(tmp_path, gpu="on").load()


async def test_closing_what_was_never_loaded_does_nothing(tmp_path: Path) -> None:
    model = llama(tmp_path)
    await model.close()
    assert model.health().state == "stopped"
