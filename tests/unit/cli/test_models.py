"""``simplevoice models`` says what is here, fetches what is not, and ends with the right code."""

import hashlib
import io
from pathlib import Path

import pytest
import xllamacpp
from click.testing import CliRunner, Result
from rich.console import Console

from simplevoice.cli import main
from simplevoice.cli import models as module
from simplevoice.models.catalog import CATALOG, Hub, Model, ModelFile

DATA = b"weights"
FILES = (ModelFile("model.bin", len(DATA), hashlib.sha256(DATA).hexdigest()),)


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole catalogue by its names, with one small file each, from a hub that refuses connections."""
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}",
    )
    for name, model in list(CATALOG.items()):
        source = Hub(FILES, "maker/small", "0123456789abcdef")
        monkeypatch.setitem(
            CATALOG,
            name,
            Model(
                name=name,
                kind=model.kind,
                languages=model.languages,
                licence=model.licence,
                description=model.description,
                sources=(source,),
                default=model.default,
                for_tests=model.for_tests,
            ),
        )


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder with all models but Qwen."""
    for name in CATALOG:
        if not name.startswith("qwen"):
            put(tmp_path / "disk" / name)
    return tmp_path / "disk"


def put(folder: Path, data: bytes = DATA) -> None:
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(data)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


def run(*arguments: str, root: Path, disk: Path | None = None) -> Result:
    environment = {"SIMPLEVOICE_MODELS_DIR": str(root), "SIMPLEVOICE_MODELS_SOURCE_DIR": str(disk) if disk else None}
    return CliRunner().invoke(main, ["models", *arguments], env=environment)


def here(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if not path.name.startswith(".")}


class TestList:
    def test_shows_every_model_on_one_line_and_whether_it_is_here(self, root: Path) -> None:
        put(root / "silero-vad")
        result = run("list", root=root)
        assert result.exit_code == 0
        lines = {line.split()[0]: line for line in result.stdout.splitlines()[1:]}
        assert set(lines) == set(CATALOG)
        assert " yes " in lines["silero-vad"]
        assert " no " in lines["whisper-base"]
        assert "stt" in lines["whisper-base"]
        assert "ar en" in lines["whisper-base"]

    @pytest.mark.parametrize("columns", [80, 120])
    def test_leaves_the_names_and_what_is_here_whole_on_a_terminal(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, columns: int
    ) -> None:
        monkeypatch.setattr(module, "console", lambda: Console(width=columns))
        put(root / "silero-vad")
        lines = run("list", root=root).stdout.splitlines()
        assert max(map(len, lines)) <= columns
        assert {line.split()[0] for line in lines} >= set(CATALOG)
        assert any(line.startswith("silero-vad") and " yes " in line for line in lines)


class TestPull:
    def test_fetches_what_is_named(self, root: Path, disk: Path) -> None:
        result = run("pull", "silero-vad", "smart-turn-v3", root=root, disk=disk)
        assert result.exit_code == 0
        assert here(root) == {"silero-vad", "smart-turn-v3"}
        assert str(root) in result.stdout
        assert "silero-vad: 0.0 MB of 0.0 MB" in result.stderr

    def test_without_a_name_fetches_the_defaults_and_the_best_language_model_to_be_had(
        self, root: Path, disk: Path
    ) -> None:
        result = run("pull", root=root, disk=disk)
        assert result.exit_code == 0
        assert here(root) == {"whisper-base", "silero-vad", "smart-turn-v3", "smollm2-135m"}
        left_out = [line for line in result.stderr.splitlines() if "qwen3-0.6b is left out" in line]
        assert len(left_out) == 1
        assert "refused" in left_out[0]

    def test_takes_the_better_language_model_where_it_can_be_had(self, root: Path, disk: Path) -> None:
        put(disk / "qwen3-0.6b")
        assert run("pull", root=root, disk=disk).exit_code == 0
        assert "qwen3-0.6b" in here(root)
        assert "smollm2-135m" not in here(root)

    @pytest.mark.parametrize(
        ("setting", "seen", "taken"),
        [("on", False, "qwen3-1.7b"), ("auto", True, "qwen3-1.7b"), ("auto", False, "qwen3-0.6b")],
    )
    def test_takes_the_large_language_model_for_a_gpu_that_llama_cpp_can_use(
        self, root: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, setting: str, seen: bool, taken: str
    ) -> None:
        kinds = xllamacpp.ggml_backend_dev_type
        kind = kinds.GGML_BACKEND_DEVICE_TYPE_GPU if seen else kinds.GGML_BACKEND_DEVICE_TYPE_CPU
        monkeypatch.setattr("xllamacpp.get_device_info", lambda: [{"type": kind}])
        monkeypatch.setenv("SIMPLEVOICE_LLM_GPU", setting)
        for name in ("qwen3-0.6b", "qwen3-1.7b"):
            put(disk / name)
        assert run("pull", root=root, disk=disk).exit_code == 0
        assert {name for name in here(root) if name.startswith("qwen")} == {taken}

    def test_for_tests_fetches_the_same_set_everywhere(self, root: Path, disk: Path) -> None:
        put(disk / "qwen3-0.6b")
        assert run("pull", "--for-tests", root=root, disk=disk).exit_code == 0
        assert here(root) == {name for name, model in CATALOG.items() if model.for_tests}

    def test_all_fetches_all(self, root: Path, disk: Path) -> None:
        put(disk / "qwen3-0.6b")
        put(disk / "qwen3-1.7b")
        assert run("pull", "--all", root=root, disk=disk).exit_code == 0
        assert here(root) == set(CATALOG)

    def test_one_failure_does_not_keep_the_others_back(self, root: Path, disk: Path) -> None:
        result = run("pull", "qwen3-0.6b", "silero-vad", root=root, disk=disk)
        assert result.exit_code == 1
        assert here(root) == {"silero-vad"}
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert "qwen3-0.6b can't be had from any source" in errors[0]

    def test_without_any_language_model_fails(self, root: Path, disk: Path) -> None:
        (disk / "smollm2-135m" / "model.bin").unlink()
        result = run("pull", root=root, disk=disk)
        assert result.exit_code == 1
        assert "error: smollm2-135m can't be had" in result.stderr

    @pytest.mark.parametrize("arguments", [["nope"], ["--all", "--for-tests"], ["--all", "silero-vad"], ["--nope"]])
    def test_wrong_usage(self, root: Path, arguments: list[str]) -> None:
        result = run("pull", *arguments, root=root)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")
        assert not root.exists()


class TestVerify:
    def test_checks_what_is_here(self, root: Path) -> None:
        put(root / "silero-vad")
        result = run("verify", root=root)
        assert result.exit_code == 0
        assert result.stdout == "silero-vad: as it should be\n"

    def test_names_the_altered_file(self, root: Path) -> None:
        put(root / "silero-vad")
        put(root / "smart-turn-v3", b"WEIGHTS")
        result = run("verify", root=root)
        assert result.exit_code == 1
        assert result.stdout == "silero-vad: as it should be\n"
        assert f"error: {root / 'smart-turn-v3' / 'model.bin'} is altered" in result.stderr

    def test_says_so_where_nothing_is_here(self, root: Path) -> None:
        result = run("verify", root=root)
        assert result.exit_code == 0
        assert result.stdout == f"No weights are in {root}\n"

    def test_a_named_model_must_be_here(self, root: Path) -> None:
        result = run("verify", "silero-vad", root=root)
        assert result.exit_code == 1
        assert "silero-vad is not in" in result.stderr


class TestPath:
    def test_prints_the_folder_and_nothing_else(self, root: Path) -> None:
        put(root / "silero-vad")
        result = run("path", "silero-vad", root=root)
        assert result.exit_code == 0
        assert result.stdout == f"{root / 'silero-vad'}\n"

    def test_fails_when_it_is_not_here(self, root: Path) -> None:
        assert run("path", "silero-vad", root=root).exit_code == 1

    def test_an_unknown_name_is_wrong_usage(self, root: Path) -> None:
        assert run("path", "nope", root=root).exit_code == 2


class TestProgress:
    def test_off_a_terminal_is_a_line_for_each_quarter(self, capsys: pytest.CaptureFixture[str]) -> None:
        with module._progress() as (follow, _):
            report = follow("whisper-base")
            for done in range(0, 101):
                report(done * 1_000_000, 100_000_000)
        assert capsys.readouterr().err.splitlines() == [
            f"whisper-base: {size} of 100 MB" for size in ("1.0 MB", "25 MB", "50 MB", "75 MB", "100 MB")
        ]

    def test_of_an_unknown_size_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        with module._progress() as (follow, _):
            report = follow("piper-ar-male")
            report(0, 0)
            report(5_000_000, 0)
            report(50_000_000, 0)
        assert capsys.readouterr().err == "piper-ar-male: 5.0 MB of ?\n"

    def test_what_is_told_on_a_terminal_stands_above_the_bars(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        terminal = io.StringIO()
        monkeypatch.setattr(module, "Console", lambda **options: Console(**options, file=terminal, force_terminal=True))
        with module._progress() as (_, tell):
            tell("qwen3-0.6b is left out")
        assert "qwen3-0.6b is left out\n" in terminal.getvalue()
        assert capsys.readouterr().err == "", "the bars would write over it"
