"""The default weights and real recordings: the words, the doubt, and what happens under load."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydub import AudioSegment

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.config.sources import load
from simplevoice.errors import TranscriptionError
from simplevoice.stt.judge import verdict, words
from simplevoice.stt.openai import OpenAITranscriber
from simplevoice.stt.whisper import WhisperTranscriber
from simplevoice.types import INPUT_SAMPLE_RATE, Language
from tests.media import recording, samples, segment, tone

pytestmark = [pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]

BOUGHT = "They bought their offices from one another and were thus considered to have a vested interest in them."
UNCLE = "The uncle claimed her. The husband resisted."
SOVIET = "The Soviet authorities denied Oswald permission."
DIGITS = "ثلاثة خمسة سبعة صفر اثنان تسعة"


def models() -> ModelsConfig:
    return load(None, {}).config.models


def speech(name: str) -> AudioSegment:
    return recording(f"{name}.wav").set_frame_rate(INPUT_SAMPLE_RATE).set_channels(1)


def silence(ms: int) -> AudioSegment:
    return AudioSegment.silent(ms, frame_rate=INPUT_SAMPLE_RATE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whisper() -> AsyncIterator[WhisperTranscriber]:
    engine = WhisperTranscriber(SttConfig(timeout_seconds=60), models())
    await engine.load()
    await engine.warm_up()
    yield engine
    await engine.close()


def telephone(audio: AudioSegment) -> AudioSegment:
    """Leave what a telephone line does."""
    spectrum = np.fft.rfft(samples(audio))
    hertz = np.fft.rfftfreq(len(audio.get_array_of_samples()), 1 / INPUT_SAMPLE_RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    return segment(np.fft.irfft(spectrum))


QUALITIES: dict[str, Callable[[AudioSegment], AudioSegment]] = {
    "clean": lambda audio: audio,
    "quiet": lambda audio: audio - 30,
    "telephone": telephone,
    "in silence": lambda audio: silence(1000) + audio + silence(2000),
}


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(
    ("name", "text"), [("en-LJ006-0114", BOUGHT), ("en-LJ011-0202", UNCLE), ("en-LJ042-0094", SOVIET)]
)
async def test_english(whisper: WhisperTranscriber, name: str, text: str, quality: str) -> None:
    transcript = await whisper.transcribe(QUALITIES[quality](speech(name)), "en")
    said, expected = words(transcript.text), words(text)
    if quality == "telephone":  # where base mishears a name
        assert len(set(said) & set(expected)) > 0.8 * len(set(expected))
    else:
        assert said == expected
    assert transcript.language == "en"
    assert verdict(transcript) == "ok"


@pytest.mark.parametrize("gain", [0, -30])
async def test_a_single_short_arabic_word(whisper: WhisperTranscriber, gain: int) -> None:
    transcript = await whisper.transcribe(speech("ar-no") + gain, "ar")
    assert words(transcript.text) == ["لا"]
    assert verdict(transcript) == "ok"


@pytest.mark.parametrize("gain", [0, -30])
async def test_arabic_digits(whisper: WhisperTranscriber, gain: int) -> None:
    transcript = await whisper.transcribe(speech("ar-digits-357029") + gain, "ar")
    assert len(set(words(transcript.text)) & set(words(DIGITS))) >= 4
    assert verdict(transcript) == "ok"


async def test_more_than_a_window_is_heard_whole(whisper: WhisperTranscriber) -> None:
    clips = {"en-LJ006-0114": BOUGHT, "en-LJ042-0094": SOVIET, "en-LJ011-0202": UNCLE}
    order = [*clips, *reversed(clips), *clips]
    audio = sum((speech(name) + silence(400) for name in order), AudioSegment.empty())
    assert audio.duration_seconds > 35
    transcript = await whisper.transcribe(audio, "en")
    said = words(transcript.text)
    expected = words(" ".join(clips[name] for name in order))
    assert len(said) == pytest.approx(len(expected), abs=3)
    assert sum(a == b for a, b in zip(said, expected, strict=False)) > 0.9 * len(expected)


def nothing_said() -> dict[str, AudioSegment]:
    rng = np.random.default_rng(5)
    count = 3 * INPUT_SAMPLE_RATE
    white = rng.normal(0, 1, count)
    breath = np.convolve(white, np.ones(8) / 8, "same") * np.maximum(0, np.sin(np.arange(count) / 6000)) ** 2
    bursts = white * (rng.random(count // 800) < 0.1).repeat(800)
    return {
        "zeros": silence(1500),
        "hiss": segment(white * 30),
        "white": segment(white * 3000),
        "breath": segment(breath * 5000),
        "bursts": segment(bursts * 6000),
        "tone": tone(3000),
        "washing machine": speech("noise-washing-machine"),
        "long washing machine": speech("noise-washing-machine") * 2,
        "quiet washing machine": speech("noise-washing-machine")[:4000] - 25,
    }


@pytest.mark.parametrize("language", ["ar", "en"])
@pytest.mark.parametrize(("kind", "audio"), nothing_said().items(), ids=nothing_said())
async def test_nothing_is_invented(
    whisper: WhisperTranscriber, kind: str, audio: AudioSegment, language: Language
) -> None:
    assert verdict(await whisper.transcribe(audio, language)) != "ok", kind


async def test_calls_at_once_get_each_its_own_words(whisper: WhisperTranscriber) -> None:
    heard = await asyncio.gather(
        whisper.transcribe(speech("en-LJ011-0202"), "en"),
        whisper.transcribe(speech("ar-no"), "ar"),
        whisper.transcribe(speech("en-LJ042-0094"), "en"),
    )
    assert [words(h.text) for h in heard] == [words(UNCLE), ["لا"], words(SOVIET)]


async def test_calls_that_wait_are_counted() -> None:
    engine = WhisperTranscriber(SttConfig(device="cpu"), models())
    await engine.load()
    calls = [asyncio.create_task(engine.transcribe(silence(1000), "en"))]
    for _ in range(3):  # until it is at work
        await asyncio.sleep(0)
    calls += [asyncio.create_task(engine.transcribe(silence(1000), "en")) for _ in range(2)]
    await asyncio.sleep(0)
    assert engine.health().waiting == 2
    await asyncio.gather(*calls)
    assert engine.health().waiting == 0
    await engine.close()


async def test_a_batch_hears_what_is_heard_alone(whisper: WhisperTranscriber) -> None:
    calls: list[tuple[AudioSegment, Language]] = [
        (speech("en-LJ006-0114"), "en"),
        (speech("ar-no"), "ar"),
        (speech("en-LJ042-0094"), "en"),
        (speech("ar-digits-357029"), "ar"),
        (speech("en-LJ011-0202"), "en"),
        (speech("en-LJ011-0202")[:900], "en"),
    ]
    alone = [await whisper.transcribe(audio, language) for audio, language in calls]
    together = await asyncio.gather(*(whisper.transcribe(audio, language) for audio, language in calls))
    for one, other in zip(alone, together, strict=True):
        assert one.text == other.text
        assert one.average_log_probability == pytest.approx(other.average_log_probability, abs=0.05)
        assert one.no_speech_probability == pytest.approx(other.no_speech_probability, abs=0.01)


async def test_a_cancelled_call_neither_blocks_nor_delays_the_next(whisper: WhisperTranscriber) -> None:
    long = speech("en-LJ001-0012") + speech("en-LJ006-0114") + speech("en-LJ011-0202")
    running, queued = (asyncio.create_task(whisper.transcribe(long, "en")) for _ in range(2))
    await asyncio.sleep(0)  # both are in the pool now
    for task in (running, queued):
        task.cancel()
    for _ in range(3):  # of the loop's turns, and nothing of the model's
        await asyncio.sleep(0)
    assert running.cancelled()
    assert queued.cancelled()
    assert whisper.health().waiting == 0
    transcript = await whisper.transcribe(speech("en-LJ042-0094"), "en")
    assert words(transcript.text) == words(SOVIET)


async def test_the_loop_turns_while_whisper_works(whisper: WhisperTranscriber) -> None:
    turns = 0
    task = asyncio.create_task(whisper.transcribe(speech("en-LJ006-0114"), "en"))
    while not task.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert words(task.result().text) == words(BOUGHT)
    assert turns > 10


async def test_a_remote_whisper_hears_what_the_local_one_hears(whisper: WhisperTranscriber) -> None:
    async def transcriptions(request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        with file.file as data:
            audio = await asyncio.to_thread(AudioSegment.from_file, data, "wav")
        heard = await whisper.transcribe(audio, "ar" if form["language"] == "ar" else "en")
        doubt = {"avg_logprob": heard.average_log_probability, "no_speech_prob": heard.no_speech_probability}
        return web.json_response({"text": heard.text, "segments": [{"start": 0.0, "end": 1.0, **doubt}]})

    app = web.Application()
    app.router.add_post("/v1/audio/transcriptions", transcriptions)
    async with TestServer(app) as server:
        config = SttConfig(engine="openai", base_url=str(server.make_url("/v1")))
        remote = OpenAITranscriber(config, models())
        await remote.load()
        pairs: list[tuple[str, Language]] = [("en-LJ042-0094", "en"), ("ar-no", "ar")]
        for name, language in pairs:
            audio = speech(name)
            assert await remote.transcribe(audio, language) == await whisper.transcribe(audio, language)
        await remote.close()


async def test_a_deadline_is_a_transcription_error_and_the_engine_works_on() -> None:
    engine = WhisperTranscriber(SttConfig(timeout_seconds=0.01), models())
    await engine.load()
    try:
        with pytest.raises(TranscriptionError, match=r"longer than 0\.01 s"):
            await engine.transcribe(speech("en-LJ042-0094"), "en")
        assert engine.health().state == "ready"
    finally:
        await engine.close()


async def test_load_and_close_again_and_again() -> None:
    engine = WhisperTranscriber(SttConfig(device="cpu"), models())
    await asyncio.gather(engine.load(), engine.load())
    health = engine.health()
    assert (health.engine, health.model, health.device, health.state) == ("whisper", "base", "cpu int8", "ready")
    await engine.close()
    await engine.close()
    assert engine.health().state == "stopped"
    await engine.load()
    assert words((await engine.transcribe(speech("en-LJ042-0094"), "en")).text) == words(SOVIET)
    await engine.close()


MEMORY = """
import asyncio, os
from pathlib import Path
from simplevoice.config import SttConfig
from simplevoice.config.sources import load
from simplevoice.stt.whisper import WhisperTranscriber

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

async def main():
    engine = WhisperTranscriber(SttConfig(), load(None, {}).config.models)
    for _ in range(4):
        await engine.load()
        await engine.warm_up()
        loaded = resident_bytes()
        await engine.close()
        print(loaded, resident_bytes())

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and only glibc is asked to trim")
async def test_closing_gives_the_memory_back() -> None:
    # In a process of its own: in one that has done much else the model lies in memory that was there already.
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", MEMORY, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0
    loaded, closed = zip(*([int(number) for number in line.split()] for line in printed.splitlines()), strict=True)
    freed = [before - after for before, after in zip(loaded, closed, strict=True)]
    assert min(freed) > 40 * 2**20, "more than half of the weights, which are 74 MiB"
    assert max(closed) < min(loaded), "and what is kept does not grow into another model"
