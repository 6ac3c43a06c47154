"""What ``simplevoice check`` looks at on the machine: software, GPU, port and folders."""

import asyncio
import errno
import importlib.metadata
import os
import platform
import re
import socket
import sys
import tempfile
from pathlib import Path

import aiohttp
import msgspec

from simplevoice.address import CHAT_PATH
from simplevoice.cli.checks import Check, Finding
from simplevoice.config import Config, ServerConfig
from simplevoice.errors import ConfigError, EngineError
from simplevoice.models.store import ModelStore
from simplevoice.server.admission.addresses import is_loopback
from simplevoice.server.admission.tokens import TokenStore
from simplevoice.server.tls import Tls
from simplevoice.stt import cuda

HTTP_SECONDS = 5.0

SHOWN_PACKAGES = ("aiohttp", "av", "ctranslate2", "faster-whisper", "onnxruntime", "xllamacpp", "edge-tts", "piper-tts")


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
    """Ask CTranslate2 for the GPUs that recognition could use, and look for what it needs besides."""
    if config.stt.engine != "whisper":
        return []
    count = await asyncio.to_thread(cuda.devices)
    wanted = config.stt.device
    if count and wanted != "cpu":
        return [await asyncio.to_thread(_check_cublas, count, wanted)]
    if wanted == "cuda":
        advice = "Install the NVIDIA driver and simplevoice[cuda], or set stt.device to auto."
        return [Finding("CUDA", "problem", "stt.device is cuda, but no device is seen", advice)]
    why = "stt.device is cpu" if count else "no device is seen"
    return [Finding("CUDA", "ok", f"{why}: recognition runs on the CPU")]


def _check_cublas(devices: int, wanted: str) -> Finding:
    try:
        cuda.open_cublas()
    except EngineError as error:
        advice = "pip install 'simplevoice[cuda]', or cuBLAS 12 from NVIDIA's repository."
        if wanted == "cuda":
            return Finding("CUDA", "problem", str(error), advice)
        return Finding("CUDA", "warning", f"{error}; recognition runs on the CPU", advice)
    return Finding("CUDA", "ok", f"{devices} device{'' if devices == 1 else 's'}: recognition runs on the GPU")


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
    return [Finding("port", "ok", f"{where} is free")]


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


async def check_access(config: Config) -> list[Finding]:
    """Tell of a daemon that everybody could talk to, and of tokens and certificates that are no good."""
    server, findings = config.server, []
    loopback = server.host == "localhost" or is_loopback(server.host)
    if not server.auth_token_file and not loopback:
        findings.append(_open_to_all(server))
    for read in (TokenStore().prepare, Tls.load):
        try:
            await read(config)
        except ConfigError as error:
            findings += [Finding("access", "problem", problem) for problem in error.problems]
    return findings


def _open_to_all(server: ServerConfig) -> Finding:
    where = f"{server.host}:{server.port}"
    if server.allow_anonymous:
        advice = "Set server.auth_token_file, or keep the network out by other means."
        return Finding("access", "warning", f"whoever reaches {where} may converse", advice)
    advice = "Set server.auth_token_file, or server.allow_anonymous."
    return Finding("access", "problem", f"without a token file the daemon does not listen on {where}", advice)


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


ALL: dict[str, Check] = {
    "software": check_software,
    "CUDA": check_cuda,
    "port": check_port,
    "access": check_access,
    "folders": check_folders,
}

QUICK = {subject: check for subject, check in ALL.items() if check is not check_port}
"""Without the port: it may be systemd's, which hands it over, and the daemon says itself when it can't have it."""
