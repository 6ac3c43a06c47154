"""What ``simplevoice serve`` runs, with a window to see what worked on a turn, when, and for how long.

It takes its settings from the environment, as the real one does.
"""

import asyncio
import sys

from simplevoice import llm, logs, stt, tts
from simplevoice.config.sources import Settings, load
from simplevoice.engines.ears import open_ears
from simplevoice.server.app import create_app
from simplevoice.server.run import serve
from simplevoice.service import SimpleVoiceService
from simplevoice.speech.encode import SpeechEncoder
from simplevoice.speech.smart_turn import SmartTurnModel
from tests.benchmarks.watch import INSIDE, Watch


async def run(settings: Settings) -> int:
    """Serve as usual, watching."""
    watch, config = Watch(), settings.config
    transcriber = stt.create(config.stt, config.models)
    model = llm.create(config.llm, config.models)
    speaker = tts.create(config.tts, config.voices, config.models)
    for name, engine in {"Whisper": transcriber, "llama": model, "Piper": speaker}.items():
        watch.own(name, engine)
    # All that a turn does passes through these few.
    transcriber.transcribe = watch.awaited("Whisper", transcriber.transcribe)  # type: ignore[method-assign]
    model.reply = watch.first("llama", model.reply)  # type: ignore[method-assign]
    speaker.synthesize = watch.first("Piper", speaker.synthesize)  # type: ignore[method-assign]
    SmartTurnModel.probability = watch.call("Smart Turn", SmartTurnModel.probability)  # type: ignore[method-assign]
    SpeechEncoder.encode = watch.awaited("encoding", SpeechEncoder.encode)  # type: ignore[method-assign]

    service = SimpleVoiceService(
        config.limits, transcriber, model, speaker, lambda: open_ears(config), config.llm.instructions
    )
    app = create_app(config, service)
    app.router.add_get(INSIDE, watch.look)
    return await serve(app, settings.read_again)


if __name__ == "__main__":
    settings = load()
    with logs.configure(settings.config.logging):
        sys.exit(asyncio.run(run(settings)))
