"""``simplevoice talk`` against a real server: what it sends, shows and saves, and how it fails."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simplevoice import protocol
from simplevoice.cli import main, sound_device
from tests.fakes.daemon import TOKEN, FakeDaemon, Reply, failure, guidance, voice_response
from tests.fakes.sound import FakeSoundDevice


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands save into an empty current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("SIMPLEVOICE_CLIENT_URL", "SIMPLEVOICE_CLIENT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    with FakeDaemon().running() as running:
        yield running


def talk(daemon: FakeDaemon, *args: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["talk", "--url", daemon.url, *args], input=stdin)


def test_a_file_is_sent_and_its_answer_shown_and_saved(daemon: FakeDaemon, folder: Path) -> None:
    Path("question.wav").write_bytes(b"RIFF")
    result = talk(daemon, "--file", "question.wav", "--language", "en")
    assert result.exit_code == 0, result.stderr
    assert daemon.received == [protocol.AudioMessage(audio_data=b"RIFF", format="wav")]
    assert result.stdout.splitlines() == [
        "sent: question.wav",
        "heard: The uncle claimed her.",
        "reply: Is that so?",
        "speech: reply-1.mp3, 1.5 s of mp3 by espeak",
        "time: 812 ms in all, decode 5 ms, transcribe 210 ms, first text 330 ms, first audio 700 ms",
    ]
    assert (folder / "reply-1.mp3").read_bytes() == b"sound"


def test_what_was_chosen_is_asked_for(daemon: FakeDaemon) -> None:
    names = {"language": "en", "voice-type": "male", "format": "opus", "session-id": "s1", "connection-id": "c1"}
    options = [word for name, value in names.items() for word in (f"--{name}", value)]
    assert talk(daemon, "--text", "hello", *options).exit_code == 0
    assert daemon.queries == [
        {
            "connection_id": "c1",
            "session_id": "s1",
            "language": "en",
            "voice_type": "male",
            "audio_format": "opus",
            "turn_detection": "none",
            "response_mode": "complete",
        }
    ]


def test_what_was_not_chosen_is_the_daemons(daemon: FakeDaemon) -> None:
    talk(daemon, "--text", "one")
    talk(daemon, "--text", "one")
    assert all(set(query) == {"connection_id", "turn_detection", "response_mode"} for query in daemon.queries)
    assert daemon.queries[0]["connection_id"] != daemon.queries[1]["connection_id"]


def test_a_folder_standard_input_and_texts_are_one_conversation(daemon: FakeDaemon, folder: Path) -> None:
    (folder / "in").mkdir()
    for name in ("b.OGG", "a.mp4", "notes.txt"):
        (folder / "in" / name).write_bytes(name.encode())
    result = talk(daemon, "--file", "in", "--file", "-", "--text", "bye", "--save", ".", stdin=b"piped")
    assert result.exit_code == 0, result.stderr
    assert daemon.received == [
        protocol.AudioMessage(audio_data=b"a.mp4", format="m4a"),
        protocol.AudioMessage(audio_data=b"b.OGG", format="ogg"),
        b"piped",
        protocol.TextMessage(text="bye"),
    ]
    assert len(daemon.queries) == 1
    assert sorted(path.name for path in folder.glob("reply-*")) == [f"reply-{n}.mp3" for n in (1, 2, 3, 4)]


def test_each_line_of_standard_input_is_a_turn(daemon: FakeDaemon) -> None:
    result = talk(daemon, "--text", "-", "--json", stdin="one\n\nثلاثة\n".encode())
    assert result.exit_code == 0, result.stderr
    assert daemon.received == [protocol.TextMessage(text="one"), protocol.TextMessage(text="ثلاثة")]


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_by_microphone_ctrl_c_is_the_way_out(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, told: signal.Signals
) -> None:
    class Device(FakeSoundDevice):
        def open(self, heard: object) -> None:
            signal.raise_signal(told)

    monkeypatch.setattr(sound_device, "default_device", Device)
    result = talk(daemon, "--language", "en")
    assert (result.exit_code, result.stderr) == (0, "")
    assert daemon.queries[0]["turn_detection"] == "server_vad"


def test_binary_sends_the_bytes(daemon: FakeDaemon) -> None:
    Path("q.wav").write_bytes(b"RIFF")
    assert talk(daemon, "--file", "q.wav", "--binary").exit_code == 0
    assert daemon.received == [b"RIFF"]


def test_json_prints_every_message_and_saves_nothing(daemon: FakeDaemon, folder: Path) -> None:
    result = talk(daemon, "--text", "hello", "--json")
    assert [json.loads(line)["type"] for line in result.stdout.splitlines()] == [
        "connection_established",
        "voice_response",
    ]
    assert not list(folder.iterdir())


def test_play_uses_a_player_and_saves_nothing(
    daemon: FakeDaemon, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = folder / "bin"
    programs.mkdir()
    (programs / "aplay").write_text(f"#!/bin/sh\necho played > {folder}/played\n")
    (programs / "aplay").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    assert talk(daemon, "--text", "hello", "--play").exit_code == 0
    assert daemon.queries[0]["audio_format"] == "wav"
    assert (folder / "played").exists()
    assert not list(folder.glob("reply-*"))


def test_a_turn_without_answer_fails_and_the_next_is_had(daemon: FakeDaemon) -> None:
    answers: Iterator[Reply] = iter([failure(), guidance(), voice_response()])
    daemon.answer = lambda _: [next(answers)]
    result = talk(daemon, "--text", "one", "--text", "two", "--text", "three", "--save", ".")
    assert result.exit_code == 1
    assert 'error: AUDIO_DECODE_FAILED: The recording can\'t be read. {"format":"wav"}' in result.stdout
    assert "guidance: Please speak up. (no_speech)" in result.stdout
    assert "reply: Is that so?" in result.stdout


def test_other_messages_do_not_end_a_turn(daemon: FakeDaemon) -> None:
    started = protocol.ProcessingStarted(turn_id="t1", message="…")
    daemon.answer = lambda _: [started, protocol.Pong(), voice_response()]
    assert talk(daemon, "--text", "hello").exit_code == 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--headset", "--text", "a"], "--headset is for talking by microphone"),
        (["--save", "a.mp3"], "--save needs --file or --text."),
        (["--text", "-"], "nothing to say: standard input has no text."),
        (["--file", "nowhere.wav"], "there is no file nowhere.wav."),
        (["--file", "."], ". holds no recording: .wav, "),
        (["--text", "a", "--text", "b", "--save", "one.mp3"], "--save one.mp3 is no folder, and there are 2 answers"),
        (["--text", "a", "--url", "nonsense"], "'nonsense' is no URL such as ws://"),
    ],
)
def test_wrong_usage(daemon: FakeDaemon, args: list[str], words: str) -> None:
    result = talk(daemon, *args)
    assert result.exit_code == 2
    assert words in result.stderr


def fails(result: Result, words: str) -> None:
    """Check that a command failed and said so in one line."""
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_daemon_is_one_line_that_says_how_to_start_one(unused_tcp_port: int) -> None:
    url = f"ws://127.0.0.1:{unused_tcp_port}"
    result = CliRunner().invoke(main, ["talk", "--url", url, "--text", "hello"])
    fails(result, "Connection refused. Start one with: simplevoice serve")


def test_a_token_is_presented(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon.token = TOKEN
    wanted = "the daemon wants a valid token: use --token-file or SIMPLEVOICE_CLIENT_TOKEN"
    fails(talk(daemon, "--text", "hello"), wanted)
    monkeypatch.setenv("SIMPLEVOICE_CLIENT_TOKEN", TOKEN)
    assert talk(daemon, "--text", "hello").exit_code == 0


def test_another_server_is_told(daemon: FakeDaemon) -> None:
    fails(talk(daemon, "--text", "hello", "--url", f"{daemon.url}/other"), "is not a simplevoice daemon")


def test_a_refused_opening_is_told(daemon: FakeDaemon) -> None:
    daemon.opening = [failure(), 1003]
    fails(talk(daemon, "--text", "hello"), "error: AUDIO_DECODE_FAILED: The recording")


def test_a_lost_connection_is_told(daemon: FakeDaemon) -> None:
    daemon.answer = lambda _: [1011]
    fails(talk(daemon, "--text", "hello"), 'error: "hello": the daemon closed the connection (1011 as told)')


def test_no_answer_in_time_is_told(daemon: FakeDaemon) -> None:
    daemon.answer = lambda _: []
    fails(talk(daemon, "--text", "hello", "--timeout", "0.05"), 'error: "hello": no answer within 0.05 s')


def test_recordings_that_cannot_be_sent_are_told(daemon: FakeDaemon) -> None:
    Path("empty.wav").touch()
    fails(talk(daemon, "--file", "empty.wav"), "empty.wav is empty")
    Path("large.wav").write_bytes(bytes(2**16 + 1))
    fails(talk(daemon, "--file", "large.wav"), "large.wav is larger than the daemon takes: 65536 bytes")
    assert daemon.received == []


def test_an_answer_that_cannot_be_saved_is_told(daemon: FakeDaemon) -> None:
    fails(talk(daemon, "--text", "hello", "--save", "nowhere/answer.mp3"), "the answer can't be saved")


def test_ctrl_c_ends_it_quietly(daemon: FakeDaemon) -> None:
    sent = threading.Event()

    def answer(_: object) -> list[Reply]:
        sent.set()
        return []

    daemon.answer = answer
    command = [sys.executable, "-m", "simplevoice", "talk", "--url", daemon.url, "--text", "hello"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert sent.wait(20)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=10)
    assert (process.returncode, stdout, stderr.strip()) == (130, b"", b"")
