"""The daemon with engines that cost nothing, and a window to see what is done for a turn, and when.

``python -m tests.benchmarks.watched_daemon asyncio``. It takes its settings from the environment, as the real one does.
"""

from collections.abc import Callable
from typing import Any

from simplevoice import logs, registry
from simplevoice.config.sources import load
from simplevoice.conversation import pipeline
from simplevoice.conversation.conversation import Conversation
from simplevoice.conversation.utterance import Recording
from simplevoice.observation import Observation
from simplevoice.server.run import serve
from simplevoice.server.socket import ClientSocket
from simplevoice.speech.encode import SpeechEncoder
from tests.benchmarks.free_daemon import make_app
from tests.benchmarks.loops import run_on_named_loop
from tests.benchmarks.watch import INSIDE, Watch
from tests.fakes.engines import FakeModel, FakeSpeaker, FakeTranscriber

Wrap = Callable[[str, Callable[..., Any]], Callable[..., Any]]


def watch_turns(watch: Watch) -> None:
    """Note every step of a turn."""
    steps: tuple[tuple[Any, str, Wrap, str], ...] = (
        (Conversation, "receive", watch.awaited, "making a turn of the message"),
        (registry, "encoded", watch.call, "writing a message"),
        (ClientSocket, "send_text", watch.awaited, "handing it to the socket"),
        (Recording, "decode", watch.call, "decoding, in a thread"),
        (pipeline, "cut_to_speech", watch.call, "looking for speech, in the same"),
        (FakeTranscriber, "transcribe", watch.awaited, "transcribing"),
        (FakeModel, "reply", watch.first, "the reply's first words"),
        (FakeSpeaker, "synthesize", watch.first, "their sound"),
        (SpeechEncoder, "encode", watch.awaited, "encoding it"),
        (SpeechEncoder, "finish", watch.awaited, "encoding the rest"),
        (Observation, "report", watch.call, "logging and counting the turn"),
    )
    for owner, name, wrap, step in steps:
        setattr(owner, name, wrap(step, getattr(owner, name)))


if __name__ == "__main__":
    settings = load()
    with logs.configure(settings.config.logging):
        watching = Watch()
        watch_turns(watching)
        app = make_app(settings.config)
        app.router.add_get(INSIDE, watching.look)
        run_on_named_loop(serve(app, settings.read_again))
