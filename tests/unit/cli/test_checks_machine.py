"""Each check of the machine, good or bad in one respect."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from simplevoice.cli import checks_machine as machine
from simplevoice.cli.checks import Finding
from simplevoice.config import Config
from tests.fakes.daemon import FakeDaemon


def config(**sections: dict[str, Any]) -> Config:
    return msgspec.convert(sections, Config)


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


async def test_the_software_of_this_environment_is_whole() -> None:
    finding = only(await machine.check_software(Config()))
    assert finding.level == "ok"
    assert "ctranslate2 " in finding.says


async def test_a_missing_package_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda _: ["absent-package>=1", 'other>1; extra == "x"'])
    finding = only(await machine.check_software(Config()))
    assert (finding.level, finding.says) == ("problem", "absent-package missing")


@pytest.mark.parametrize(
    ("devices", "device", "level", "says"),
    [
        (0, "auto", "ok", "no device is seen: recognition runs on the CPU"),
        (0, "cuda", "problem", "stt.device is cuda, but no device is seen"),
        (1, "auto", "ok", "1 device: recognition runs on the GPU"),
        (2, "cuda", "ok", "2 devices: recognition runs on the GPU"),
        (2, "cpu", "ok", "stt.device is cpu: recognition runs on the CPU"),
    ],
)
async def test_cuda(monkeypatch: pytest.MonkeyPatch, devices: int, device: str, level: str, says: str) -> None:
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: devices)
    monkeypatch.setattr("ctypes.CDLL", lambda path, mode: None)
    finding = only(await machine.check_cuda(config(stt={"device": device})))
    assert (finding.level, finding.says) == (level, says)


@pytest.mark.parametrize(
    ("device", "level", "says"),
    [("auto", "warning", "; recognition runs on the CPU"), ("cuda", "problem", "")],
)
async def test_cuda_without_cublas(monkeypatch: pytest.MonkeyPatch, device: str, level: str, says: str) -> None:
    def missing(path: str, mode: int) -> None:
        raise OSError(f"{path}: no such file")

    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 1)
    monkeypatch.setattr("ctypes.CDLL", missing)
    finding = only(await machine.check_cuda(config(stt={"device": device})))
    assert finding.level == level
    assert finding.says == f"cuBLAS of CUDA 12 can't be opened: libcublasLt.so.12: no such file{says}"
    assert "simplevoice[cuda]" in (finding.advice or "")


async def test_a_free_port(unused_tcp_port: int) -> None:
    finding = only(await machine.check_port(config(server={"port": unused_tcp_port})))
    assert (finding.level, finding.says) == ("ok", f"127.0.0.1:{unused_tcp_port} is free")


async def test_a_port_of_another_program() -> None:
    async with TestServer(web.Application()) as other:
        port = other.port
        finding = only(await machine.check_port(config(server={"port": port})))
    assert (finding.level, finding.says) == ("problem", f"127.0.0.1:{port} is taken by another program")


async def test_a_port_of_a_running_daemon() -> None:
    with FakeDaemon().running() as daemon:
        port = int(daemon.url.split(":")[2].split("/")[0])
        finding = only(await machine.check_port(config(server={"port": port})))
    assert (finding.level, finding.says) == (
        "ok",
        f"127.0.0.1:{port} is served by simplevoice 9.9.9, which is degraded",
    )


async def test_an_address_of_another_machine_is_a_problem(unused_tcp_port: int) -> None:
    finding = only(await machine.check_port(config(server={"host": "192.0.2.1", "port": unused_tcp_port})))
    assert finding.level == "problem"
    assert "assign requested address" in finding.says


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        ({}, ["problem"]),
        ({"allow_anonymous": True}, ["warning"]),
        ({"host": "127.0.0.2"}, []),
        ({"host": "localhost"}, []),
    ],
)
async def test_a_daemon_open_to_all_is_told(settings: dict[str, object], levels: list[str]) -> None:
    server = {"host": "0.0.0.0", **settings}
    assert [finding.level for finding in await machine.check_access(config(server=server))] == levels


async def test_tokens_and_certificates_are_tried(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.touch(0o600)
    server = {"host": "0.0.0.0", "auth_token_file": str(file), "tls_cert": "/nonexistent/c", "tls_key": "k"}
    told = [(f.level, f.says) for f in await machine.check_access(config(server=server))]
    assert [level for level, _ in told] == ["problem", "problem"]
    assert "holds no token" in told[0][1]
    assert "/nonexistent/c can't be read" in told[1][1]
    file.write_text("kitchen:kitchen-0123456789\n")
    assert await machine.check_access(config(server={"host": "0.0.0.0", "auth_token_file": str(file)})) == []


async def test_folders(tmp_path: Path) -> None:
    findings = await machine.check_folders(config(models={"dir": str(tmp_path / "new" / "models")}))
    assert [f.level for f in findings] == ["ok", "ok"]
    file = tmp_path / "file"
    file.touch()
    finding = (await machine.check_folders(config(models={"dir": str(file / "models")})))[0]
    assert (finding.level, finding.says) == ("warning", f"{file}/models can't be written: no weights can be fetched")


def test_a_quick_look_leaves_the_port_alone() -> None:
    assert set(machine.ALL) - set(machine.QUICK) == {"port"}
