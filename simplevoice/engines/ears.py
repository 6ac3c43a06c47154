"""Loads the small models that listen before the recognizer does."""

import structlog
from pydub import AudioSegment

from simplevoice.config import Config
from simplevoice.engines.lent import Ears
from simplevoice.errors import ModelError
from simplevoice.models.store import ModelStore
from simplevoice.speech.smart_turn import SmartTurnModel
from simplevoice.speech.vad import VoiceActivityModel

log = structlog.get_logger(__name__)


def open_ears(config: Config) -> Ears:
    """Load the small models. Blocks. Raises ModelError; without Smart Turn it goes on."""
    store = ModelStore(config.models)
    voice_activity = VoiceActivityModel(store.ensure("silero-vad") / "silero_vad.onnx")
    # The first frame is the slowest: onnxruntime sets itself up.
    voice_activity.speech_spans(AudioSegment.silent(100, frame_rate=16_000))
    if not config.turns.smart_turn:
        return Ears(voice_activity, None)
    try:
        return Ears(voice_activity, SmartTurnModel(store.ensure("smart-turn-v3") / "smart-turn-v3.2-cpu.onnx"))
    except ModelError as error:
        log.warning("smart_turn_missing", error=str(error), effect="turns end by their words and by silence")
        return Ears(voice_activity, None)
