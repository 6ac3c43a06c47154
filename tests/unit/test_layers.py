"""Imports go down only, vendor libraries stay where they are wrapped, and only ``server`` knows the HTTP server."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "simplevoice"

# From the top down: a room may import its own and what stands below it. In the halls, each module is a room.
HALLS = {"conversation", "engines", "config"}
ROOMS = [
    {"cli"},
    {"server"},
    {"conversation.conversation", "service"},
    {"conversation.microphone", "conversation.turn_queue"},
    {"conversation.turn", "conversation.listening"},
    {"conversation.pipeline", "conversation.telling", "conversation.recollection", "synthesis"},
    {"engines.ears"},
    {"engines.lent"},
    {"stt", "llm", "tts", "conversation.utterance"},
    {
        "history",
        "conversation.notices",
        "conversation.patience",
        "conversation.playback",
        "conversation.settings",
        "engines.lending",
        "speech",
        "models",
        "registry",
        "performance",
        "observation",
        "rates",
        "turnstile",
    },
    {"client", "outgoing"},
    {"reach"},
    {"protocol", "messages", "logs", "memory", "systemd", "config.text"},
    {"config.sources"},
    {"config.table"},
    {"engines.failover", "engines.guard", "engines.remote"},
    {
        "engines.engine",
        "engines.breaker",
        "engines.cores",
        "config",
        "errors",
        "types",
        "caller",
        "address",
        "shielded",
        "reasons",
        "importing",
    },
]
VENDORS = {
    "faster_whisper": {"stt/whisper_model.py"},
    "ctranslate2": {"stt/whisper_model.py", "stt/cuda.py"},
    "edge_tts": {"tts/edge_requests.py"},
    "piper": {"tts/piper_voice.py"},
    "espeakng_loader": {"tts/espeak.py"},
    "xllamacpp": {"llm/llama_cpp.py"},
    "opentelemetry": {"server/otlp.py"},
    "prometheus_client": {"server/metrics.py", "server/snapshot.py"},
    "openai": {"engines/remote.py", "llm/openai.py", "stt/openai.py"},
    "httpx2": {"engines/remote.py"},
    "matplotlib": {"cli/plot.py"},
    "uvloop": {"server/event_loop.py"},
    "sounddevice": {"cli/sound_device.py"},
    "pyrate_limiter": {"rates.py"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(module: str) -> str:
    """Tell in which room a module is, by its name without the package's."""
    hall, *rest = module.split(".")
    return ".".join((hall, *rest[:1])) if hall in HALLS and rest and floor(f"{hall}.{rest[0]}") >= 0 else hall


def floor(room: str) -> int:
    return next((n for n, rooms in enumerate(ROOMS) if room in rooms), -1)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    room = room_of(module)
    if room in ("__init__", "__main__") or module in ("conversation", "engines"):
        return
    assert floor(room) >= 0, f"{room} has no floor in the house"
    for name in imports(path):
        package, _, rest = name.partition(".")
        other = room_of(rest)
        if package != "simplevoice" or other in (room, "__version__", ""):
            continue
        assert floor(other) >= floor(room), f"{room} imports {other}, which stands above it"
        siblings = {"stt", "llm", "tts"}
        assert not {room, other} <= siblings, f"{room} imports its sibling {other}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_vendor_libraries_stay_where_they_are_wrapped(path: Path) -> None:
    where = path.relative_to(PACKAGE).as_posix()
    for name in imports(path):
        vendor = name.split(".")[0]
        assert where in VENDORS.get(vendor, {where}), f"{where} imports {vendor}"


def test_only_the_server_knows_aiohttps_server() -> None:
    users = {p.relative_to(PACKAGE).parts[0] for p in modules() if "aiohttp.web" in imports(p)}
    assert users == {"server"}


def test_only_the_command_line_knows_the_server() -> None:
    users = {
        p.relative_to(PACKAGE).parts[0]
        for p in modules()
        if any(n.startswith("simplevoice.server") for n in imports(p))
    }
    assert users <= {"server", "cli"}


def test_the_client_brings_nothing_of_the_daemon() -> None:
    below = {name.split(".")[1] for name in imports(PACKAGE / "client.py") if name.startswith("simplevoice.")}
    assert below <= {"protocol", "errors", "types", "address", "reach"}
