import pytest
from structlog.testing import capture_logs

from simplevoice.config import TracesConfig
from simplevoice.errors import ConfigError
from simplevoice.observation import Progress
from simplevoice.protocol import Timings
from simplevoice.server import tracing
from simplevoice.server.tracing import VARIABLES, Stage, are_wanted, stages
from tests.unit.test_observation import report

COLLECTOR = "http://127.0.0.1:4318"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_collector_is_named_by_the_settings_or_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    assert not are_wanted(TracesConfig())
    assert are_wanted(TracesConfig(endpoint=COLLECTOR))
    monkeypatch.setenv(variable, COLLECTOR)
    assert are_wanted(TracesConfig())


def test_what_the_settings_ask_for_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"simplevoice\[otel\]"):
        are_wanted(TracesConfig(endpoint=COLLECTOR))


def test_a_variable_that_is_there_for_all_is_no_reason_not_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "find_spec", lambda name: None)
    monkeypatch.setenv(VARIABLES[0], COLLECTOR)
    with capture_logs() as lines:
        assert not are_wanted(TracesConfig())
    assert [(line["event"], line["log_level"]) for line in lines] == [("traces_unavailable", "warning")]


def test_an_answered_turn_goes_through_all_stages() -> None:
    assert list(stages(report())) == [
        Stage("decode", 0, 10),
        Stage("transcribe", 10, 300, "whisper"),
        Stage("reply", 300, 400, "llama"),
        Stage("speech", 400, 500, "edge"),
        Stage("deliver", 500, 900),
    ]


def test_a_detected_turn_is_worked_on_before_its_end_is_known() -> None:
    work = Progress(200, None, 350, 450, 520, 2000, stt="whisper", llm="llama", tts=("edge", "espeak"))
    times = Timings(total=900, transcribe=350, first_text=450, first_audio=520, endpoint=400)
    assert list(stages(report(utterance="speech", work=work, times=times))) == [
        Stage("endpoint", 0, 400),
        Stage("transcribe", 200, 350, "whisper"),
        Stage("reply", 350, 450, "llama"),
        Stage("speech", 450, 520, "edge+espeak"),
        Stage("deliver", 520, 900),
    ]


def test_a_typed_turn_that_had_to_wait() -> None:
    work = Progress(begun=150, first_text=400, first_audio=500, llm="llama", tts=("edge",))
    told = list(stages(report(utterance="typed", work=work, times=Timings(total=900))))
    assert [stage.name for stage in told] == ["wait", "reply", "speech", "deliver"]
    assert told[0] == Stage("wait", 0, 150)


@pytest.mark.parametrize(
    ("work", "last"),
    [
        (Progress(begun=0), Stage("decode", 0, 900)),
        (Progress(begun=0, decode=10, stt="whisper"), Stage("transcribe", 10, 900, "whisper")),
        (Progress(0, 10, 300, stt="whisper", llm="llama"), Stage("reply", 300, 900, "llama")),
        (Progress(0, 10, 300, 400, stt="whisper", llm="llama"), Stage("speech", 400, 900)),
        (Progress(0, 10, 300, stt="whisper"), Stage("transcribe", 10, 300, "whisper")),
    ],
)
def test_the_stage_in_which_a_turn_ended_lasts_until_then(work: Progress, last: Stage) -> None:
    assert list(stages(report(outcome="failed", reason="TURN_TIMEOUT", work=work)))[-1] == last


def test_a_turn_that_never_began_has_no_stage() -> None:
    assert list(stages(report(outcome="interrupted", reason="client", work=Progress()))) == []


@pytest.mark.parametrize(("first_audio", "names"), [(500, ["wait", "speech", "deliver"]), (None, ["wait", "speech"])])
def test_a_speech_waits_and_is_spoken(first_audio: int | None, names: list[str]) -> None:
    work = Progress(begun=100, first_audio=first_audio, tts=("edge",))
    told = list(stages(report(kind="speech", utterance=None, work=work, times=Timings(total=900))))
    assert [stage.name for stage in told] == names
    assert told[1] == Stage("speech", 100, first_audio or 900, "edge")
