"""Every container that clients record, by both ways in, is heard the same."""

import pytest

from simplevoice.protocol import AudioMessage, VoiceResponse
from simplevoice.types import INPUT_FORMATS, InputFormat
from tests.integration.daemon import Daemon
from tests.integration.listener import SAID, words
from tests.media import encode, live, recording

pytestmark = [pytest.mark.models, pytest.mark.timeout(90)]

NAME = "en-LJ042-0094"


@pytest.mark.parametrize("container", INPUT_FORMATS)
async def test_a_recording_in_every_container_gets_the_same_words(daemon: Daemon, container: InputFormat) -> None:
    data = encode(recording(f"{NAME}.wav"), container)
    async with daemon.connect() as client:
        declared = await client.ask(AudioMessage(audio_data=data, format=container), VoiceResponse)
        found = await client.ask(data, VoiceResponse)
    assert words(declared.transcription) == words(found.transcription) == words(SAID[NAME])


@pytest.mark.parametrize("container", ["webm", "ogg"])
async def test_what_a_browser_recorded_without_sizes_is_heard_too(daemon: Daemon, container: InputFormat) -> None:
    async with daemon.connect() as client:
        answer = await client.ask(live(recording(f"{NAME}.wav"), container), VoiceResponse)
    assert words(answer.transcription) == words(SAID[NAME])
