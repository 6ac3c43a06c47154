"""Files, environment and flags: who wins, and that everything wrong is told at once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from simplevoice.config import Config
from simplevoice.config.sources import DEFAULT, Settings, load
from simplevoice.errors import ConfigError

NOWHERE = Path("/nonexistent/simplevoice.toml")


def read(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    system: Path = NOWHERE,
) -> Settings:
    """Load without the machine's own environment and file."""
    return load(file, flags or {}, environ or {}, system)


def problems(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> list[str]:
    """Load, and return what is wrong."""
    with pytest.raises(ConfigError) as raised:
        read(file, environ, flags)
    return raised.value.problems


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "my.toml"


def test_nothing_set_is_the_defaults() -> None:
    settings = read()
    assert settings.config == Config()
    assert set(settings.origins.values()) == {DEFAULT}


def test_the_last_source_wins(tmp_path: Path, toml: Path) -> None:
    system = tmp_path / "system.toml"
    system.write_text('[server]\nhost = "h1"\nport = 1\n[stt]\nmodel = "m1"\nthreads = 1\n[llm]\nslots = 1\n')
    toml.write_text('[server]\nport = 2\n[stt]\nmodel = "m2"\nthreads = 2\n')
    settings = read(toml, {"SIMPLEVOICE_STT_MODEL": "m3", "SIMPLEVOICE_STT_THREADS": "3"}, {"stt.threads": "4"}, system)
    config = settings.config
    assert (config.llm.slots, config.server.host) == (1, "h1")
    assert (config.server.port, config.stt.model, config.stt.threads) == (2, "m3", 4)
    assert settings.origins["server.host"] == str(system)
    assert settings.origins["server.port"] == str(toml)
    assert settings.origins["stt.model"] == "SIMPLEVOICE_STT_MODEL"
    assert settings.origins["stt.threads"] == "--stt-threads"


def test_a_later_list_replaces(toml: Path) -> None:
    toml.write_text('[server]\npath_prefixes = ["/a", "/b"]\n')
    settings = read(toml, flags={"server.path_prefixes": ("/c",)})
    assert settings.config.server.path_prefixes == ("/c",)


def test_an_empty_string_unsets(toml: Path) -> None:
    toml.write_text('[llm]\nmodel = "m"\n')
    settings = read(toml, flags={"llm.model": ""})
    assert settings.config.llm.model is None
    assert settings.origins["llm.model"] == "--llm-model"


def test_an_empty_variable_is_not_set() -> None:
    assert read(environ={"SIMPLEVOICE_PORT": "", "SIMPLEVOICE_STT_MODEL": ""}).config == Config()


def test_a_flag_may_be_a_switch() -> None:
    settings = read(environ={"SIMPLEVOICE_MODELS_OFFLINE": "1"}, flags={"models.offline": False})
    assert settings.config.models.offline is False


def test_other_variables_are_nobodys_business() -> None:
    assert read(environ={"SIMPLE": "1", "PORT": "5", "SIMPLEVOICE_CONFIG": "x"}).config == Config()


def test_every_problem_of_every_source_is_told(toml: Path) -> None:
    toml.write_text('[server]\nport = "x"\nhots = "h"\n[sst]\nmodel = "m"\n')
    environ = {"SIMPLEVOICE_PORT": "70000", "SIMPLEVOICE_PROT": "1", "SIMPLEVOICE_TTS_PROXY": "s3cret"}
    assert problems(toml, environ, {"stt.engine": "gpt", "server.port": "1"}) == [
        f'server.port, from {toml}, is "x"; it must be a whole number from 0 to 65535',
        f"{toml}: there is no setting server.hots; did you mean server.host?",
        f"{toml}: there is no section sst; did you mean stt?",
        'server.port, from SIMPLEVOICE_PORT, is "70000"; it must be a whole number from 0 to 65535',
        "environment: there is no variable SIMPLEVOICE_PROT; did you mean SIMPLEVOICE_PORT?",
        "tts.proxy, from SIMPLEVOICE_TTS_PROXY, is hidden; it must be a URL that begins with http:// or https://",
        'stt.engine, from --stt-engine, is "gpt"; it must be one of whisper, openai',
    ]


def test_a_setting_is_likened_to_those_of_its_section_unless_another_has_it(toml: Path) -> None:
    toml.write_text('[limits]\nfoo = 1\nsesions = 1\nproxy = "p"\n[traces]\nendpiont = "e"\n[tts]\nmodel = "m"\n')
    assert problems(toml) == [
        f"{toml}: there is no setting limits.foo",
        f"{toml}: there is no setting limits.sesions; did you mean limits.sessions?",
        f"{toml}: there is no setting limits.proxy; did you mean tts.proxy?",
        f"{toml}: there is no setting traces.endpiont; did you mean traces.endpoint?",
        f"{toml}: there is no setting tts.model; did you mean stt.model or llm.model?",
    ]


def test_a_variable_is_not_likened_to_those_that_share_its_beginning_alone() -> None:
    assert problems(environ={"SIMPLEVOICE_FOO": "1"}) == ["environment: there is no variable SIMPLEVOICE_FOO"]


def test_a_setting_outside_of_a_section_is_told_its_home(toml: Path) -> None:
    toml.write_text("port = 1\nserver = 2\n")
    assert problems(toml) == [
        f"{toml}: port stands outside of a section; did you mean it in [server]?",
        f"{toml}: server is 2; it must be a table, [server]",
    ]


def test_a_name_like_no_other_gets_no_hint() -> None:
    assert problems(environ={"SIMPLEVOICE_ZZZZZZZZZZZZZZZZZZ": "1"}) == [
        "environment: there is no variable SIMPLEVOICE_ZZZZZZZZZZZZZZZZZZ"
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[server\n", "not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 8)"),
        (b'[server]\nhost = "\xff"\n', "not valid TOML: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_broken_file_is_a_problem(toml: Path, content: bytes, problem: str) -> None:
    toml.write_bytes(content)
    (told,) = problems(toml)
    assert told.startswith(f"{toml}: {problem}")


def test_a_missing_file_is_a_problem_when_it_was_named(toml: Path) -> None:
    assert problems(toml) == [f"{toml}: can't be read: No such file or directory"]


def test_a_system_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        read(system=tmp_path)


@pytest.mark.parametrize("section", ["stt", "llm"])
def test_the_remote_engine_needs_a_server(section: str) -> None:
    assert problems(flags={f"{section}.engine": "openai"}) == [
        f"{section}.engine is openai; it needs {section}.base_url or {section}.api_key"
    ]
    flags = {f"{section}.engine": "openai", f"{section}.base_url": "http://127.0.0.1:1/v1"}
    assert getattr(read(flags=flags).config, section).engine == "openai"


def test_a_certificate_and_its_key_need_each_other() -> None:
    for name in ("cert", "key"):
        told = problems(flags={f"server.tls_{name}": "file.pem"})
        assert told == ["server.tls_cert and server.tls_key need each other"]
    assert read(flags={"server.tls_cert": "c.pem", "server.tls_key": "k.pem"}).config.server.tls_cert == "c.pem"


def test_trusted_proxies_are_addresses_and_networks() -> None:
    assert problems(flags={"server.trusted_proxies": ["unix", "10.0.0.0/8", "::1", "10.0.0.0/33", "proxy"]}) == [
        'server.trusted_proxies holds "10.0.0.0/33"; each must be an address, a network, or unix',
        'server.trusted_proxies holds "proxy"; each must be an address, a network, or unix',
    ]


def test_a_long_wrong_value_is_cut() -> None:
    (told,) = problems(flags={"stt.engine": "x" * 500 + "\n"})
    assert len(told) < 200
    assert "\n" not in told


def test_the_same_sources_can_be_read_again(toml: Path) -> None:
    toml.write_text("[server]\nport = 1\n")
    settings = read(toml, {"SIMPLEVOICE_HOST": "h"}, {"llm.slots": "2"})
    toml.write_text("[server]\nport = 2\n")
    again = settings.read_again().config
    assert (again.server.port, again.server.host, again.llm.slots) == (2, "h", 2)
    toml.write_text("[server]\nport = -1\n")
    with pytest.raises(ConfigError):
        settings.read_again()


def test_fallbacks_are_tables_of_a_file(toml: Path) -> None:
    toml.write_text(
        """
[llm]
base_url = "http://gpu:8000/v1"
instructions = "Be kind."
[[llm.fallbacks]]
base_url = "http://cloud/v1"
api_key = "k"
model = ""
[[llm.fallbacks]]
engine = "llama"
max_tokens = 40
"""
    )
    settings = read(toml)
    cloud, local = settings.config.llm.fallbacks
    assert (cloud.base_url, cloud.api_key, cloud.model) == ("http://cloud/v1", "k", None)
    assert (local.engine, local.base_url, local.max_tokens) == ("llama", None, 40), "nothing is inherited"
    assert settings.origins["llm.fallbacks"] == str(toml)


def test_fallbacks_are_json_elsewhere_and_the_last_source_wins(toml: Path) -> None:
    toml.write_text('[[stt.fallbacks]]\nmodel = "tiny"\n')
    variable = {"SIMPLEVOICE_STT_FALLBACKS": '[{"model": "small", "threads": 2}]'}
    [fallback] = read(toml, variable).config.stt.fallbacks
    assert (fallback.model, fallback.threads) == ("small", 2)
    assert read(toml, variable, {"stt.fallbacks": "[]"}).config.stt.fallbacks == ()


def test_every_problem_of_every_fallback_is_told_with_its_place(toml: Path) -> None:
    toml.write_text(
        """
[[llm.fallbacks]]
engine = "gpt"
modle = "m"
[[llm.fallbacks]]
api_key = 5
instructions = "Be kind."
breaker_failures = 2
fallbacks = []
"""
    )
    assert problems(toml, {"SIMPLEVOICE_STT_FALLBACKS": "{"}, {"stt.fallbacks": '["s3cret"]'}) == [
        f'llm.fallbacks[0].engine, from {toml}, is "gpt"; it must be one of auto, openai, llama, echo',
        f"{toml}, llm.fallbacks[0]: there is no setting modle; did you mean model?",
        f"llm.fallbacks[1].api_key, from {toml}, is hidden; it must be text",
        f"{toml}, llm.fallbacks[1]: there is no setting instructions",
        f"{toml}, llm.fallbacks[1]: there is no setting breaker_failures",
        f"{toml}, llm.fallbacks[1]: there is no setting fallbacks",
        "stt.fallbacks, from SIMPLEVOICE_STT_FALLBACKS, must be a list of tables, [[stt.fallbacks]], as JSON",
        "stt.fallbacks, from --stt-fallbacks, must be a list of tables, [[stt.fallbacks]], as JSON",
    ]


def test_a_remote_fallback_needs_a_server_too(toml: Path) -> None:
    toml.write_text('[[llm.fallbacks]]\nengine = "llama"\n[[llm.fallbacks]]\nengine = "openai"\n')
    assert problems(toml) == [
        "llm.fallbacks[1].engine is openai; it needs llm.fallbacks[1].base_url or llm.fallbacks[1].api_key"
    ]


def test_secrets_come_as_credentials_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "llm.api_key").write_text("key-of-a-file\n")
    (tmp_path / "stt.api_key").write_text("\n")
    (tmp_path / "server.port").write_text("no secret")
    (tmp_path / "anything").write_text("of somebody else's")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "SIMPLEVOICE_LLM_API_KEY": "key-of-the-environment"}
    settings = read(environ=environ)
    assert settings.config.llm.api_key == "key-of-a-file"
    assert settings.origins["llm.api_key"] == "credential llm.api_key"
    assert settings.config.stt.api_key is None
    assert settings.config.server.port == Config().server.port
    assert read(environ=environ, flags={"llm.api_key": "of-a-flag"}).config.llm.api_key == "of-a-flag"


def test_a_credential_that_is_no_text_is_a_problem_that_does_not_show_it(tmp_path: Path) -> None:
    (tmp_path / "llm.api_key").write_bytes(b"\xffsecret")
    [problem] = problems(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert problem == "credential llm.api_key: can't be read: UnicodeDecodeError"
