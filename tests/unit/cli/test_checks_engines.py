"""Each check of the engines, good or bad in one respect."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from simplevoice.cli import checks_engines as engines
from simplevoice.cli.checks import Check
from simplevoice.config import Config
from simplevoice.models.store import ModelStore
from simplevoice.tts.edge import EdgeProbe, EdgeSpeaker
from tests.unit.cli.test_checks_machine import config, only


@pytest.fixture
async def model_server() -> AsyncIterator[Callable[..., Any]]:
    """Start a server whose list of models is what the test says."""
    servers: list[TestServer] = []

    async def start(answer: web.Response) -> str:
        async def models(_request: web.Request) -> web.Response:
            return answer

        app = web.Application()
        app.router.add_get("/v1/models", models)
        server = TestServer(app)
        servers.append(server)
        await server.start_server()
        return str(server.make_url("/v1"))

    yield start
    for server in servers:
        await server.close()


async def test_weights_that_are_not_here(tmp_path: Path) -> None:
    models = {"dir": str(tmp_path)}
    findings = await engines.check_weights(config(models=models))
    assert {f.says.split()[0] for f in findings} == {"silero-vad", "smart-turn-v3", "whisper-base"}
    assert {f.level for f in findings} == {"warning"}
    assert findings[0].advice == "simplevoice models pull silero-vad"
    offline = await engines.check_weights(config(models=models | {"offline": True}))
    assert {f.level for f in offline} == {"problem"}


async def test_damaged_weights_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "silero-vad").mkdir()
    (tmp_path / "silero-vad" / "silero_vad.onnx").write_bytes(b"not the model")
    finding = (await engines.check_weights(config(models={"dir": str(tmp_path)})))[0]
    assert finding.level == "problem"
    assert "is truncated or altered" in finding.says


async def test_a_recognizers_folder_is_looked_into(tmp_path: Path) -> None:
    wanted = config(models={"dir": str(tmp_path)}, stt={"model": str(tmp_path)}, turns={"smart_turn": False})
    finding = (await engines.check_weights(wanted))[-1]
    assert (finding.level, finding.says) == ("problem", f"stt.model {tmp_path} has no model.bin, config.json")
    for name in ("model.bin", "config.json"):
        (tmp_path / name).touch()
    assert (await engines.check_weights(wanted))[-1].level == "ok"


async def test_a_model_server_that_has_the_model(model_server: Callable[..., Any]) -> None:
    url = await model_server(web.json_response({"object": "list", "data": [{"id": "qwen3", "object": "model"}]}))
    finding = only(await engines.check_language_model(config(llm={"base_url": url, "model": "qwen3"})))
    assert (finding.level, finding.says) == ("ok", f"{url}/models answers, with qwen3")


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (web.json_response({"data": [{"id": "other"}]}), "warning", "does not list qwen3"),
        (web.Response(status=401), "problem", "refuses the key"),
        (web.Response(status=500), "warning", "answered 500"),
        (web.Response(text="<html>"), "problem", "is no list of models"),
    ],
    ids=["other model", "refused", "broken", "not an API"],
)
async def test_a_model_server_that_will_not_do(
    model_server: Callable[..., Any], answer: web.Response, level: str, words: str
) -> None:
    url = await model_server(answer)
    finding = only(await engines.check_language_model(config(llm={"base_url": url, "model": "qwen3", "api_key": "k"})))
    assert finding.level == level
    assert words in finding.says


async def test_a_model_server_that_is_not_there(unused_tcp_port: int) -> None:
    remote = {"engine": "openai", "base_url": f"http://127.0.0.1:{unused_tcp_port}/v1"}
    for finding in (
        only(await engines.check_language_model(config(llm=remote))),
        only(await engines.check_remote_recognizer(config(stt=remote))),
    ):
        assert finding.level == "problem"
        assert finding.says.endswith("/v1/models can't be reached: Connection refused")


@pytest.mark.parametrize(
    ("offline", "engine", "level", "words"),
    [
        (False, "auto", "warning", "no model is here; the first start fetches it"),
        (False, "llama", "warning", "no model is here; the first start fetches it"),
        (True, "auto", "warning", "no model is here, and models.offline is set: echo repeats what it hears"),
        (True, "llama", "problem", "no model is here, and models.offline is set"),
    ],
)
async def test_without_a_model_is_told_what_a_start_does(
    tmp_path: Path, offline: bool, engine: str, level: str, words: str
) -> None:
    models = {"dir": str(tmp_path), "offline": offline}
    finding = only(await engines.check_language_model(config(models=models, llm={"engine": engine})))
    assert finding.level == level
    assert finding.says.endswith(words)


@pytest.mark.parametrize(("offline", "level"), [(False, "warning"), (True, "problem")])
async def test_a_model_of_the_catalogue_is_fetched_where_it_may_be(tmp_path: Path, offline: bool, level: str) -> None:
    wanted = {"engine": "llama", "model": "qwen3-0.6b"}
    settings = config(models={"dir": str(tmp_path), "offline": offline}, llm=wanted)
    finding = only(await engines.check_language_model(settings))
    assert (finding.subject, finding.level) == ("language model", level)
    assert "but qwen3-0.6b is not here" in finding.says


@pytest.mark.parametrize("look", [engines.ALL, engines.QUICK])
async def test_a_model_that_is_neither_a_file_nor_in_the_catalogue_is_named(look: dict[str, Check]) -> None:
    finding = only(await look["language model"](config(llm={"engine": "llama", "model": "qwen9"})))
    assert finding.level == "problem"
    assert finding.says == "llm.model is 'qwen9', which is no file and not in the catalogue"
    assert finding.advice == "simplevoice models list"


async def test_without_a_model_by_wish_echo_is_told() -> None:
    finding = only(await engines.check_language_model(config(llm={"engine": "echo"})))
    assert finding.says == "echo, as llm.engine asks for it: it only repeats what it hears"


async def test_a_model_file_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "my.gguf"
    file.touch()
    finding = only(await engines.check_language_model(config(llm={"engine": "llama", "model": str(file)})))
    assert (finding.level, finding.says) == ("ok", f"llama with the file {file}, as llm.engine asks for it")


async def test_a_gpu_that_llama_cpp_does_not_see_is_a_problem_where_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xllamacpp.get_device_info", list)
    wanted = config(llm={"engine": "llama", "gpu": "on"}, models={"dir": str(tmp_path)})
    finding = only(await engines.check_language_model(wanted))
    assert finding.level == "problem"
    assert "llama.cpp sees no GPU" in finding.says


async def test_edge_that_cannot_be_reached_is_a_warning(unused_tcp_port: int) -> None:
    finding = only(await engines.check_edge(config(tts={"proxy": f"http://127.0.0.1:{unused_tcp_port}"})))
    assert finding.level == "warning"
    assert "The local voice speaks instead." in (finding.advice or "")
    assert await engines.check_edge(config(tts={"engine": "espeak"})) == []


@pytest.mark.parametrize(
    ("first_audio_ms", "skew", "level", "words"),
    [
        (300.0, 0.0, "ok", "first audio after 300 ms; the clock is right"),
        (300.0, -400.0, "warning", "this machine's clock is -400 s from Edge's"),
        (1500.0, 0.0, "warning", "first audio after 1500 ms"),
    ],
)
async def test_edge_that_speaks(
    monkeypatch: pytest.MonkeyPatch, first_audio_ms: float, skew: float, level: str, words: str
) -> None:
    async def probe(_self: object, _voice: object) -> object:
        return EdgeProbe(first_audio_ms, skew)

    monkeypatch.setattr(EdgeSpeaker, "probe", probe)
    finding = only(await engines.check_edge(Config()))
    assert finding.level == level
    assert words in finding.says


async def test_every_language_and_type_has_a_local_voice(tmp_path: Path) -> None:
    finding = only(await engines.check_local_voice(config(models={"dir": str(tmp_path)})))
    assert finding.says == "ar female: espeak, ar male: espeak, en female: espeak, en male: espeak"


async def test_a_model_that_does_not_speak_every_language_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelStore, "present", lambda _, name: True)
    monkeypatch.setattr(ModelStore, "path", lambda _, name: tmp_path / name)
    finding = only(await engines.check_language_model(config(llm={"engine": "llama", "model": "smollm2-135m"})))
    assert finding.level == "warning"
    assert finding.says == "llama with smollm2-135m, as llm.engine asks for it; it does not speak ar: echo does"
    finding = only(await engines.check_language_model(config(llm={"engine": "llama", "model": "qwen3-0.6b"})))
    assert (finding.level, finding.says) == ("ok", "llama with qwen3-0.6b, as llm.engine asks for it")


async def test_a_quick_look_sees_weights_without_reading_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> Path:
        raise AssertionError("weights were read")

    monkeypatch.setattr(ModelStore, "path", read)
    offline = config(models={"dir": str(tmp_path), "offline": True})
    assert {f.level for f in await engines.QUICK["weights"](offline)} == {"problem"}
    monkeypatch.setattr(ModelStore, "present", lambda *_: True)
    assert {f.level for f in await engines.QUICK["weights"](offline)} == {"ok"}
    wanted = config(llm={"engine": "llama", "model": "qwen3-0.6b"})
    assert only(await engines.QUICK["language model"](wanted)).level == "ok"


async def test_a_quick_look_asks_no_server(unused_tcp_port: int) -> None:
    remote = {"engine": "openai", "base_url": f"http://127.0.0.1:{unused_tcp_port}/v1"}
    finding = only(await engines.QUICK["language model"](config(llm=remote)))
    assert (finding.level, finding.says) == ("ok", "a server, as llm.engine asks for it; it was not asked")
    assert not {"Edge", "recognizer"} & set(engines.QUICK)


async def test_a_quick_look_tells_of_a_model_that_is_missing(tmp_path: Path) -> None:
    models = {"dir": str(tmp_path), "offline": True}
    wanted = config(llm={"engine": "llama", "model": "qwen3-0.6b"}, models=models)
    assert only(await engines.QUICK["language model"](wanted)).level == "problem"
