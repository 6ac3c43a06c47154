import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.errors import SpeechError
from simplevoice.models.store import ModelStore
from simplevoice.tts import SpeechChunk, Voice, piper
from simplevoice.tts.piper import PiperSpeaker
from simplevoice.tts.piper_voice import PiperVoice
from simplevoice.types import Language

VOICE = Voice("en", "male")
TWO_SENTENCES = "The uncle claimed her. The husband resisted."


@pytest.fixture
async def speaker() -> AsyncIterator[PiperSpeaker]:
    speaker = PiperSpeaker(TtsConfig(), VoicesConfig(), ModelsConfig())
    await speaker.load()
    yield speaker
    await speaker.close()


@pytest.fixture
def nothing_installed(tmp_path: Path) -> PiperSpeaker:
    return PiperSpeaker(TtsConfig(), VoicesConfig(), ModelsConfig(dir=str(tmp_path)))


async def speak(speaker: PiperSpeaker, text: str = TWO_SENTENCES, voice: Voice = VOICE) -> list[SpeechChunk]:
    return [chunk async for chunk in speaker.synthesize(text, voice)]


def seconds(chunks: list[SpeechChunk]) -> float:
    return sum(len(chunk.data) / 2 / chunk.sample_rate for chunk in chunks)


@pytest.mark.models
async def test_it_speaks_piece_by_piece(speaker: PiperSpeaker) -> None:
    chunks = await speak(speaker)
    assert {(chunk.codec, chunk.sample_rate, chunk.engine) for chunk in chunks} == {("pcm16", 22_050, "piper")}
    assert seconds(chunks[:1]) < 0.8
    assert 1.4 < seconds(chunks) < 6
    samples = np.frombuffer(b"".join(chunk.data for chunk in chunks), "<i2").astype(float)
    assert np.sqrt((samples**2).mean()) > 500


@pytest.mark.models
@pytest.mark.parametrize(("rate", "low", "high"), [("+50%", 0.5, 0.85), ("-40%", 1.3, 2.2)])
async def test_the_rate_changes_the_length(speaker: PiperSpeaker, rate: str, low: float, high: float) -> None:
    plain = seconds(await speak(speaker))
    assert low < seconds(await speak(speaker, voice=Voice("en", "male", rate=rate))) / plain < high


@pytest.mark.models
async def test_brackets_are_no_phonemes(speaker: PiperSpeaker) -> None:
    assert seconds(await speak(speaker, "[[one two three four]]")) > 0.8


@pytest.mark.models
async def test_only_the_installed_voices_are_supported(speaker: PiperSpeaker) -> None:
    assert speaker.supports(VOICE)
    assert not speaker.supports(Voice("ar", "female"))
    assert "piper-en-male" in str(speaker.health().model)
    with pytest.raises(SpeechError, match="no female voice for ar"):
        await speak(speaker, "مرحبا", Voice("ar", "female"))


@pytest.mark.models
async def test_release_drops_the_voices_and_the_next_sentence_opens_its_own(
    speaker: PiperSpeaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    make = PiperVoice.__init__

    def count(voice: PiperVoice, model: Path, language: Language) -> None:
        opened.append(model)
        make(voice, model, language)

    monkeypatch.setattr(PiperVoice, "__init__", count)
    async with aclosing(speaker.synthesize(TWO_SENTENCES, VOICE)) as stream:
        await anext(stream)
        await speaker.release()
        await anext(stream)
    await asyncio.gather(speak(speaker), speak(speaker))
    assert len(opened) == 1


@pytest.mark.models
@pytest.mark.parametrize("pieces_taken", [0, 1])
async def test_cancelled_and_closed_it_speaks_on(speaker: PiperSpeaker, pieces_taken: int) -> None:
    async with aclosing(speaker.synthesize(TWO_SENTENCES, VOICE)) as stream:
        for _ in range(pieces_taken):
            await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert seconds(await speak(speaker)) > 1.4


@pytest.mark.models
async def test_what_it_says_is_not_logged(speaker: PiperSpeaker, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await speak(speaker)
    assert "uncle" not in caplog.text


@pytest.mark.models
async def test_closed_it_can_be_loaded_again(speaker: PiperSpeaker) -> None:
    await speaker.close()
    await speaker.close()
    assert speaker.health().state == "stopped"
    assert not speaker.supports(VOICE)
    with pytest.raises(SpeechError):
        await speak(speaker)
    await speaker.load()
    await speaker.load()
    assert seconds(await speak(speaker)) > 1.4


def store_with_damage(folder: Path) -> ModelsConfig:
    """A store with the real voice's files, but a model of nothing but zeros."""
    real = ModelStore(ModelsConfig()).path("piper-en-male")
    mine = folder / "piper-en-male"
    mine.mkdir(parents=True)
    for path in real.iterdir():
        (mine / path.name).symlink_to(path)
    broken = next(mine.glob("*.onnx"))
    size = broken.stat().st_size
    broken.unlink()
    broken.write_bytes(bytes(size))
    return ModelsConfig(dir=str(folder))


@pytest.mark.models
async def test_an_altered_voice_is_refused_and_named(tmp_path: Path) -> None:
    speaker = PiperSpeaker(TtsConfig(), VoicesConfig(), await asyncio.to_thread(store_with_damage, tmp_path))
    with pytest.raises(SpeechError, match=r"piper-en-male: .*joe-medium\.onnx is altered"):
        await speaker.load()
    assert speaker.health().state == "stopped"


@pytest.mark.models
@pytest.mark.parametrize("content", ["{}", "no json", json.dumps({"audio": {"sample_rate": 22_050}})])
async def test_a_voice_that_piper_cannot_open_is_named(
    speaker: PiperSpeaker, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await speaker.release()
    (tmp_path / "voice.onnx").write_bytes(b"no model")
    (tmp_path / "voice.onnx.json").write_text(content)
    monkeypatch.setattr(ModelStore, "path", lambda store, name: tmp_path)
    with pytest.raises(SpeechError, match="can't open piper-en-male"):
        await speak(speaker)


@pytest.mark.models
async def test_a_model_that_fails_is_told(speaker: PiperSpeaker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(voice: PiperVoice, text: str, factor: float) -> Iterator[bytes]:
        yield b"\x00\x00"
        raise OSError("no memory")

    monkeypatch.setattr(PiperVoice, "speak", fail)
    async with aclosing(speaker.synthesize(TWO_SENTENCES, VOICE)) as stream:
        await anext(stream)
        with pytest.raises(SpeechError, match="piper failed: no memory"):
            await anext(stream)


async def test_without_a_voice_it_does_not_load(nothing_installed: PiperSpeaker) -> None:
    with pytest.raises(SpeechError, match="models pull piper-ar-male"):
        await nothing_installed.load()
    assert nothing_installed.health().state == "stopped"


async def test_without_the_package_it_says_how_to_get_it(
    nothing_installed: PiperSpeaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piper, "find_spec", lambda name: None)
    with pytest.raises(SpeechError, match=r"pip install 'simplevoice\[piper\]'"):
        await nothing_installed.load()
    assert not any(row.present for row in await nothing_installed.voices())
