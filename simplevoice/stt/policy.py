"""Which recognizer hears: the configured one, or in its place the first of its fallbacks that works."""

import msgspec
from pydub import AudioSegment

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.engines.failover import Failover
from simplevoice.stt import Transcriber, Transcript, create_engine
from simplevoice.types import INPUT_SAMPLE_RATE, Language

PROBE_MS = 1000
"""Of silence: the least that shows whether a recognizer works."""


class TranscriptionPolicy(Failover[Transcriber], Transcriber):
    """The recognizer that a conversation uses."""

    async def transcribe(self, audio: AudioSegment, language: Language) -> Transcript:
        """Let the first recognizer that works hear the utterance. Raises the last one's TranscriptionError."""
        member, transcript = await self._ask(lambda engine: engine.transcribe(audio, language), language)
        member.guard.succeed()
        return msgspec.structs.replace(transcript, engine=member.engine.name)

    async def _try(self, engine: Transcriber) -> None:
        await engine.transcribe(AudioSegment.silent(PROBE_MS, frame_rate=INPUT_SAMPLE_RATE), "en")


def create_policy(config: SttConfig, models: ModelsConfig) -> TranscriptionPolicy:
    """Make the policy and the engines that the configuration names, unloaded."""
    engines = [create_engine(one, models) for one in (config, *config.fallbacks)]
    return TranscriptionPolicy(engines, config.breaker_failures, config.breaker_retry_seconds)
