"""Texts that a whole daemon speaks without a conversation, heard by somebody else."""

import asyncio
import sys
from pathlib import Path

import pytest

from simplevoice.client import speak
from simplevoice.types import AUDIO_FORMATS, AudioFormat
from tests.integration.daemon import Daemon
from tests.integration.listener import UNDERSTOOD, Listener, decode_reply, share_of_words

pytestmark = [pytest.mark.models, pytest.mark.timeout(90)]

TEXT = "The train to Cairo leaves at noon, and the one to Alexandria an hour later."
OTHERS = ["درجة الحرارة اليوم خمس وعشرون.", "أحب القهوة في الصباح.", "سأتصل بك غدا."]


@pytest.mark.parametrize("audio_format", AUDIO_FORMATS)
async def test_every_format_holds_the_words(daemon: Daemon, listener: Listener, audio_format: AudioFormat) -> None:
    sound = await speak(TEXT, daemon.url, language="en", voice_type="male", audio_format=audio_format)
    spoken = decode_reply(sound, audio_format)
    assert len(spoken) > 3000
    assert spoken.dBFS > -35
    heard = listener.hear(spoken, "en")
    assert share_of_words(TEXT, heard) >= UNDERSTOOD, heard


async def test_arabic_is_spoken(daemon: Daemon, listener: Listener) -> None:
    text = "القطار يصل في الساعة التاسعة."
    spoken = decode_reply(await speak(text, daemon.url, language="ar", voice_type="male"), "mp3")
    assert spoken.dBFS > -35
    # espeak's Arabic is too much for a free recognition by Whisper base; among several texts it knows the right one.
    assert listener.likeliest(spoken, [text, *OTHERS], "ar") == text


async def test_the_command_saves_what_a_daemon_says(daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "train.opus"
    command = [
        sys.executable,
        "-m",
        "simplevoice",
        "say",
        TEXT,
        "--url",
        daemon.url,
        "--language",
        "en",
        "-o",
        str(file),
    ]
    program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await program.communicate()
    assert program.returncode == 0
    spoken = decode_reply(file.read_bytes(), "opus")
    assert f"{len(spoken) / 1000:.1f} s of opus by {daemon.url}" in out.decode().replace("\n", "")
    assert spoken.dBFS > -35


async def test_the_log_tells_of_it_without_its_words(daemon: Daemon) -> None:
    told = len(daemon.logged("speech"))
    await speak("Ineffable elephants elope.", daemon.url, language="en")
    line = await asyncio.to_thread(daemon.wait_for, "speech", told + 1)
    assert (line["outcome"], line["language"], line["tts"]) == ("answered", "en", "espeak")
    assert 0 <= line["first_audio"] <= line["total"]
    assert "lephant" not in str(daemon.log)
