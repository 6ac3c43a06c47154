"""What ``simplevoice check`` looks at. Each check tells what it finds in words for an operator, within a deadline."""

import asyncio
import errno
import importlib.metadata
import os
import platform
import re
import socket
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import aiohttp
import ctranslate2
import msgspec

from simplevoice import llm, tts
from simplevoice.cli.target import CHAT_PATH
from simplevoice.config import Config, ServerConfig, SttConfig
from simplevoice.errors import ModelError, SpeechError, WeightsCorruptError
from simplevoice.models.catalog import CATALOG
from simplevoice.models.store import ModelStore, best_llm
from simplevoice.server.admission.addresses import is_loopback
from simplevoice.tts.edge import EdgeSpeaker
from simplevoice.types import LANGUAGES, VOICE_TYPES

OPENAI_URL = "https://api.openai.com/v1"
"""Where a key without a base URL belongs."""

CHECK_SECONDS = 10.0
HTTP_SECONDS = 5.0
SKEW_SECONDS = 30.0
"""A clock that is off by more has a reason that should be looked for."""

SHOWN_PACKAGES = ("aiohttp", "av", "ctranslate2", "faster-whisper", "onnxruntime", "xllamacpp", "edge-tts", "piper-tts")

Level = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a check found. ``advice`` is what to do about it."""

    subject: str
    level: Level
    says: str
    advice: str | None = None


Check = Callable[[Config], Awaitable[list[Finding]]]


def run_checks(config: Config) -> list[Finding]:
    """Run all checks at once. A check that hangs is given up, and so is the thread that it hangs in."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Abandoning())
        return runner.run(_run_all(config))


async def _run_all(config: Config) -> list[Finding]:
    results = await asyncio.gather(*(_bounded(subject, check(config)) for subject, check in CHECKS.items()))
    return [finding for findings in results for finding in findings]


async def _bounded(subject: str, check: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check
    except TimeoutError:
        return [Finding(subject, "warning", f"no result within {CHECK_SECONDS:g} s", "Look at the disk and network.")]


class _Abandoning(ThreadPoolExecutor):
    """Runs each call in a daemon thread, so that a name that can't be resolved does not hold up the exit."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a thread for the call."""
        future: Future[Any] = Future()

        def work() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whoever awaits the future gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        future.set_running_or_notify_cancel()
        threading.Thread(target=work, name="check", daemon=True).start()
        return future


async def check_software(_config: Config) -> list[Finding]:
    """Look for every package that simplevoice requires."""
    return [await asyncio.to_thread(_software)]


def _software() -> Finding:
    found = {name: _version(name) for name in {*_requirements(), *SHOWN_PACKAGES}}
    missing = sorted(name for name in _requirements() if found[name] is None)
    versions = [f"{name} {found[name]}" for name in SHOWN_PACKAGES if found[name]]
    says = f"Python {platform.python_version()}, {', '.join(versions)}"
    if missing:
        return Finding("software", "problem", f"{', '.join(missing)} missing", "pip install --upgrade simplevoice")
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("software", "warning", says, "simplevoice is tested with Python 3.11 to 3.13.")
    return Finding("software", "ok", says)


def _requirements() -> list[str]:
    """Name the packages that are required without any condition."""
    lines = importlib.metadata.requires("simplevoice") or []
    return [match[0] for line in lines if ";" not in line and (match := re.match(r"[A-Za-z0-9._-]+", line))]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


async def check_cuda(config: Config) -> list[Finding]:
    """Ask CTranslate2 for the GPUs that recognition could use."""
    if config.stt.engine != "whisper":
        return []
    count = await asyncio.to_thread(_cuda_devices)
    wanted = config.stt.device
    if count and wanted != "cpu":
        return [Finding("CUDA", "ok", f"{count} device{'' if count == 1 else 's'}: recognition runs on the GPU")]
    if wanted == "cuda":
        advice = "Install the NVIDIA driver and simplevoice[cuda], or set stt.device to auto."
        return [Finding("CUDA", "problem", "stt.device is cuda, but no device is seen", advice)]
    why = "stt.device is cpu" if count else "no device is seen"
    return [Finding("CUDA", "ok", f"{why}: recognition runs on the CPU")]


def _cuda_devices() -> int:
    """Count the devices; a driver that is too old or broken counts as none."""
    try:
        return int(ctranslate2.get_cuda_device_count())
    except RuntimeError:
        return 0


async def check_weights(config: Config) -> list[Finding]:
    """Verify the weights that the settings need, byte by byte."""
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
    verified = await asyncio.gather(*(_verify(config, store, name) for name in names))
    return [*verified, *findings]


async def _verify(config: Config, store: ModelStore, name: str) -> Finding:
    subject, advice = "weights", f"simplevoice models pull {name}"
    try:
        async with asyncio.timeout(CHECK_SECONDS - 1):
            await asyncio.to_thread(store.path, name)
    except WeightsCorruptError as error:
        return Finding(subject, "problem", str(error).partition(";")[0], advice)
    except ModelError:
        if config.models.offline:
            return Finding(subject, "problem", f"{name} is not here, and models.offline is set", advice)
        return Finding(subject, "warning", f"{name} is not here; the first start fetches it", advice)
    except TimeoutError:
        return Finding(
            subject, "warning", f"{name} is here, but large: not verified", f"simplevoice models verify {name}"
        )
    return Finding(subject, "ok", f"{name} is here, verified")


def _foreign_recognizer(stt: SttConfig) -> Finding:
    folder = Path(stt.model).expanduser()
    if folder.is_dir():
        missing = [name for name in ("model.bin", "tokenizer.json") if not (folder / name).is_file()]
        if missing:
            return Finding("weights", "problem", f"stt.model {folder} has no {', '.join(missing)}")
        return Finding("weights", "ok", f"stt.model is the folder {folder}")
    return Finding("weights", "ok", f"stt.model {stt.model} is faster-whisper's own; it fetches it where it is missing")


async def check_language_model(config: Config) -> list[Finding]:
    """Tell which engine is chosen and why, and whether it could answer."""
    chosen = (await asyncio.to_thread(llm.create, config.llm, config.models)).health()
    why = (chosen.detail or "").partition(";")[0]
    if chosen.engine == "openai":
        return [await _remote("language model", config.llm.base_url, config.llm.api_key, config.llm.model)]
    if chosen.engine == "llama":
        return [await asyncio.to_thread(_local_model, config, why)]
    advice = "Set llm.base_url and llm.model, or llm.engine to auto."
    return [Finding("language model", "warning", f"echo, as {why}: it only repeats what it hears", advice)]


def _local_model(config: Config, why: str) -> Finding:
    subject, store, wanted = "language model", ModelStore(config.models), config.llm.model
    if wanted and Path(wanted).expanduser().is_file():
        return Finding(subject, "ok", f"llama with the file {wanted}, as {why}")
    name = wanted or best_llm(store, gpu=config.llm.gpu != "off" and _cuda_devices() > 0)
    if name is None:
        advice = "simplevoice models pull, or set llm.base_url"
        level: Level = "problem" if config.llm.engine == "llama" and config.models.offline else "warning"
        return Finding(
            subject, level, f"llama, as {why}, but no model is here: echo only repeats what it hears", advice
        )
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
    if isinstance(error, aiohttp.ClientConnectorError) and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0)
    return type(error).__name__


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


async def check_port(config: Config) -> list[Finding]:
    """Try to listen, and ask who does where that fails."""
    server = config.server
    where = f"{server.host}:{server.port}"
    try:
        await asyncio.to_thread(_listen, server)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return [await _neighbour(where)]
        advice = (
            "Set server.port to 1024 or more." if error.errno == errno.EACCES else "Set server.host and server.port."
        )
        return [Finding("port", "problem", f"{where}: {error.strerror or error}", advice)]
    return [Finding("port", "ok", f"{where} is free"), *_exposure(server)]


def _listen(server: ServerConfig) -> None:
    """Listen for a moment as the daemon would, or raise OSError."""
    found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()


async def _neighbour(where: str) -> Finding:
    try:
        timeout = aiohttp.ClientTimeout(total=HTTP_SECONDS)
        url = f"http://{where}{CHAT_PATH}/status"
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            status = msgspec.json.decode(await response.read(), type=_Neighbour)
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
        return Finding("port", "problem", f"{where} is taken by another program", "Set server.port to a free one.")
    return Finding("port", "ok", f"{where} is served by simplevoice {status.version}, which is {status.status}")


class _Neighbour(msgspec.Struct):
    status: str
    version: str


def _exposure(server: ServerConfig) -> list[Finding]:
    """Tell of a daemon that everybody could talk to."""
    if server.auth_token_file or server.host == "localhost" or is_loopback(server.host):
        return []
    where = f"{server.host}:{server.port}"
    if server.allow_anonymous:
        advice = "Set server.auth_token_file, or keep the network out by other means."
        return [Finding("access", "warning", f"whoever reaches {where} may converse", advice)]
    advice = "Set server.auth_token_file, or server.allow_anonymous."
    return [Finding("access", "problem", f"without a token file the daemon does not listen on {where}", advice)]


async def check_folders(config: Config) -> list[Finding]:
    """See that what the daemon writes to is writable: the weights, and temporary files."""
    return [*await asyncio.to_thread(_folders, ModelStore(config.models).root)]


def _folders(weights: Path) -> list[Finding]:
    existing = next(folder for folder in (weights, *weights.parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        advice = "Set models.dir to a folder of the daemon's user; weights that are there can be used all the same."
        weight_folder = Finding("folders", "warning", f"{weights} can't be written: no weights can be fetched", advice)
    else:
        weight_folder = Finding("folders", "ok", f"{weights} can be written")
    try:
        temporary = tempfile.gettempdir()
    except FileNotFoundError:
        return [
            weight_folder,
            Finding("folders", "problem", "no folder for temporary files can be written", "Set TMPDIR."),
        ]
    return [weight_folder, Finding("folders", "ok", f"{temporary} can be written")]


CHECKS: dict[str, Check] = {
    "software": check_software,
    "CUDA": check_cuda,
    "weights": check_weights,
    "recognizer": check_remote_recognizer,
    "language model": check_language_model,
    "Edge": check_edge,
    "local voice": check_local_voice,
    "port": check_port,
    "folders": check_folders,
}
