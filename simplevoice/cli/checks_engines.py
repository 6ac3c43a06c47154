"""What ``simplevoice check`` looks at for the engines: weights, servers, Edge and the local voices."""

import asyncio
from functools import partial
from pathlib import Path

import aiohttp
import msgspec

from simplevoice import llm, tts
from simplevoice.cli.checks import CHECK_SECONDS, Check, Finding
from simplevoice.cli.checks_machine import HTTP_SECONDS
from simplevoice.config import Config, SttConfig
from simplevoice.errors import ModelError, SpeechError, WeightsCorruptError
from simplevoice.llm.llama_cpp import use_gpu
from simplevoice.models.catalog import CATALOG
from simplevoice.models.store import ModelStore, best_llm
from simplevoice.reasons import system_words
from simplevoice.tts.edge import EdgeSpeaker
from simplevoice.types import LANGUAGES, VOICE_TYPES

OPENAI_URL = "https://api.openai.com/v1"
"""Where a key without a base URL belongs."""

SKEW_SECONDS = 30.0
"""A clock that is off by more has a reason that should be looked for."""


async def check_weights(config: Config, *, thorough: bool = True) -> list[Finding]:
    """Verify the weights that the settings need, byte by byte or, when not thorough, by their sizes."""
    store = ModelStore(config.models)
    names = ["silero-vad"]
    if config.turns.smart_turn:
        names.append("smart-turn-v3")
    findings = []
    if config.stt.engine == "whisper":
        recognizer = f"whisper-{config.stt.model}"
        if recognizer in CATALOG:
            names.append(recognizer)
        else:
            findings.append(await asyncio.to_thread(_foreign_recognizer, config.stt))
    look = _verify if thorough else _see
    seen = await asyncio.gather(*(look(config, store, name) for name in names))
    return [*seen, *findings]


async def _see(config: Config, store: ModelStore, name: str) -> Finding:
    """See whether weights are there, with the right sizes."""
    if await asyncio.to_thread(store.present, name):
        return Finding("weights", "ok", f"{name} is here")
    return _missing(config, name)


def _missing(config: Config, name: str) -> Finding:
    advice = f"simplevoice models pull {name}"
    if config.models.offline:
        return Finding("weights", "problem", f"{name} is not here, and models.offline is set", advice)
    return Finding("weights", "warning", f"{name} is not here; the first start fetches it", advice)


async def _verify(config: Config, store: ModelStore, name: str) -> Finding:
    subject, advice = "weights", f"simplevoice models pull {name}"
    try:
        async with asyncio.timeout(CHECK_SECONDS - 1):
            await asyncio.to_thread(store.path, name)
    except WeightsCorruptError as error:
        return Finding(subject, "problem", str(error).partition(";")[0], advice)
    except ModelError:
        return _missing(config, name)
    except TimeoutError:
        return Finding(
            subject, "warning", f"{name} is here, but large: not verified", f"simplevoice models verify {name}"
        )
    return Finding(subject, "ok", f"{name} is here, verified")


def _foreign_recognizer(stt: SttConfig) -> Finding:
    folder = Path(stt.model).expanduser()
    if folder.is_dir():
        missing = [name for name in ("model.bin", "config.json") if not (folder / name).is_file()]
        if missing:
            return Finding("weights", "problem", f"stt.model {folder} has no {', '.join(missing)}")
        return Finding("weights", "ok", f"stt.model is the folder {folder}")
    return Finding("weights", "ok", f"stt.model {stt.model} is faster-whisper's own; it fetches it where it is missing")


async def check_language_model(config: Config, *, thorough: bool = True) -> list[Finding]:
    """Tell which engine is chosen and why, and whether it could answer; a server is asked only when thorough."""
    chosen = (await asyncio.to_thread(llm.create, config.llm, config.models)).health()
    why = (chosen.detail or "").partition(";")[0]
    if chosen.engine == "openai" and not thorough:
        return [Finding("language model", "ok", f"a server, as {why}; it was not asked")]
    if chosen.engine == "openai":
        return [await _remote("language model", config.llm.base_url, config.llm.api_key, config.llm.model)]
    if chosen.engine == "llama":
        return [await asyncio.to_thread(_local_model, config, why, thorough)]
    advice = "Set llm.base_url and llm.model, or llm.engine to auto."
    return [Finding("language model", "warning", f"echo, as {why}: it only repeats what it hears", advice)]


def _local_model(config: Config, why: str, thorough: bool) -> Finding:
    subject, store, wanted = "language model", ModelStore(config.models), config.llm.model
    if wanted and Path(wanted).expanduser().is_file():
        return Finding(subject, "ok", f"llama with the file {wanted}, as {why}")
    try:
        gpu = use_gpu(config.llm.gpu)
    except ModelError as error:
        return Finding(subject, "problem", str(error), "Set llm.gpu to auto, or run a server of its own for it.")
    name = wanted or best_llm(store, gpu=gpu)
    if name and name not in CATALOG:
        says = f"llm.model is {name!r}, which is no file and not in the catalogue"
        return _without_model(config, says, "simplevoice models list")
    if name is None or not store.present(name):
        says = f"llama, as {why}, but {f'{name} is not' if name else 'no model is'} here"
        advice = f"simplevoice models pull {name}" if name else "simplevoice models pull, or set llm.base_url"
        if config.models.offline:
            return _without_model(config, f"{says}, and models.offline is set", advice)
        return Finding(subject, "warning", f"{says}; the first start fetches it", advice)
    if thorough:
        try:
            store.path(name)
        except ModelError as error:
            return Finding(subject, "problem", str(error).partition(";")[0], f"simplevoice models pull {name}")
    unspoken = sorted(set(LANGUAGES) - set(CATALOG[name].languages))
    says = f"llama with {name}, as {why}"
    if unspoken:
        advice = "simplevoice models pull may get a better model; llm.base_url and llm.model give the best one."
        return Finding(subject, "warning", f"{says}; it does not speak {', '.join(unspoken)}: echo does", advice)
    return Finding(subject, "ok", says)


def _without_model(config: Config, says: str, advice: str) -> Finding:
    """Tell what a start without a language model comes to, as ``ChosenModel`` decides it."""
    if config.llm.engine == "llama":
        return Finding("language model", "problem", says, advice)
    return Finding("language model", "warning", f"{says}: echo repeats what it hears", advice)


async def check_remote_recognizer(config: Config) -> list[Finding]:
    """Ask the recognizer's server, where there is one."""
    if config.stt.engine != "openai":
        return []
    return [await _remote("recognizer", config.stt.base_url, config.stt.api_key, config.stt.model)]


async def _remote(subject: str, base_url: str | None, key: str | None, model: str | None) -> Finding:
    """Ask a server of the OpenAI kind for its models."""
    url = f"{(base_url or OPENAI_URL).rstrip('/')}/models"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        timeout = aiohttp.ClientTimeout(total=HTTP_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, headers=headers) as response:
            if response.status in (401, 403):
                return Finding(subject, "problem", f"{url} refuses the key", "Set the right api_key.")
            if response.status != 200:
                return Finding(subject, "warning", f"{url} answered {response.status}: its models aren't known")
            listed = msgspec.json.decode(await response.read(), type=_Models)
    except (aiohttp.ClientError, TimeoutError) as error:
        advice = "Start the server, or set the right base_url."
        return Finding(subject, "problem", f"{url} can't be reached: {_reason(error)}", advice)
    except msgspec.DecodeError:
        return Finding(subject, "problem", f"{url} is no list of models", "Is base_url right, with its /v1?")
    names = [entry.id for entry in listed.data]
    if model and model not in names:
        shown = ", ".join(names[:5]) or "none"
        return Finding(subject, "warning", f"{url} does not list {model}", f"It lists {shown}.")
    return Finding(subject, "ok", f"{url} answers, with {model or (names[0] if names else 'no model')}")


class _Named(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Named]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {HTTP_SECONDS:g} s"
    return system_words(error) if isinstance(error, OSError) else type(error).__name__


async def check_edge(config: Config) -> list[Finding]:
    """Let Edge speak a word, where it is the voice."""
    if config.tts.engine != "edge":
        return []
    speaker = EdgeSpeaker(config.tts, config.voices, config.models, connect_seconds=HTTP_SECONDS)
    voice = tts.Voice(config.conversation.language, config.conversation.voice_type)
    try:
        probe = await speaker.probe(voice)
    except SpeechError as error:
        advice = "The local voice speaks instead. Look at the network and tts.proxy, or set tts.engine to espeak."
        return [Finding("Edge", "warning", str(error), advice)]
    says = f"it speaks, first audio after {probe.first_audio_ms:.0f} ms"
    if abs(probe.clock_skew_seconds) > SKEW_SECONDS:
        off = f"this machine's clock is {probe.clock_skew_seconds:+.0f} s from Edge's"
        return [Finding("Edge", "warning", f"{says}; {off}", "Set the clock, best by NTP.")]
    if probe.first_audio_ms > config.tts.first_audio_seconds * 1000:
        advice = "The local voice will often speak instead. A larger tts.first_audio_seconds waits longer."
        return [Finding("Edge", "warning", says, advice)]
    return [Finding("Edge", "ok", f"{says}; the clock is right")]


async def check_local_voice(config: Config) -> list[Finding]:
    """See that every language and type has a voice that needs no network."""
    rows = await tts.create(config.tts, config.voices, config.models).voices()
    local = {(row.language, row.voice_type): row for row in reversed(rows) if row.engine != "edge" and row.present}
    missing = [f"{language} {kind}" for language in LANGUAGES for kind in VOICE_TYPES if (language, kind) not in local]
    if missing:
        return [Finding("local voice", "problem", f"none for {', '.join(missing)}", "Set tts.local to auto.")]
    spoken = [f"{row.language} {row.voice_type}: {row.engine}" for _, row in sorted(local.items())]
    return [Finding("local voice", "ok", ", ".join(spoken))]


QUICK: dict[str, Check] = {
    "weights": partial(check_weights, thorough=False),
    "language model": partial(check_language_model, thorough=False),
    "local voice": check_local_voice,
}

ALL: dict[str, Check] = {
    "weights": check_weights,
    "recognizer": check_remote_recognizer,
    "language model": check_language_model,
    "Edge": check_edge,
    "local voice": check_local_voice,
}
