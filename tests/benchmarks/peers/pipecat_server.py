"""A voice agent made with Pipecat, of local models only. It runs in Pipecat's environment, and imports nothing of ours.

The pipeline is the one that its command ``pipecat create`` writes for a cascade, with Pipecat's own choice of all that
no option names. As in its examples, each connection loads a recognizer and a voice of its own. The language model is
asked through an OpenAI-compatible server: llama.cpp's, in this process.

Its WebSocket takes sound as binary messages, 16 kHz mono 16-bit, and gives it so, at 24 kHz; text messages are RTVI's
(https://docs.pipecat.ai/client/rtvi-standard). Once it listens it prints its URL.
"""

import argparse
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
import xllamacpp
from fastapi import FastAPI, WebSocket
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.piper.tts import PiperTTSService
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

INPUT_RATE, OUTPUT_RATE = 16_000, 24_000
SLOTS, CONTEXT_TOKENS = 8, 1024
"""Of the language model: as many replies at once as people talk."""
FORGET = "forget"
"""A client's message: the context is to be emptied."""


class PlainSerializer(FrameSerializer):
    """Sound as it is and messages as JSON: less to do than with Pipecat's own protobuf."""

    def __init__(self) -> None:
        super().__init__(FrameSerializer.InputParams(ignore_rtvi_messages=False))

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Give what is sent of a frame."""
        match frame:
            case OutputAudioRawFrame():
                return bytes(frame.audio)
            case OutputTransportMessageFrame() | OutputTransportMessageUrgentFrame():
                return json.dumps(frame.message)
            case _:
                return None

    async def deserialize(self, data: str | bytes) -> Frame:
        """Make a frame of what came."""
        if isinstance(data, str):
            return InputTransportMessageFrame(message=json.loads(data))
        return InputAudioRawFrame(audio=data, sample_rate=INPUT_RATE, num_channels=1)


async def converse(websocket: WebSocket, options: argparse.Namespace, llm_url: str) -> None:
    """Have one client's conversation."""
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_in_sample_rate=INPUT_RATE,
            audio_out_enabled=True,
            audio_out_sample_rate=OUTPUT_RATE,
            serializer=PlainSerializer(),
        ),
    )
    stt = WhisperSTTService(
        device="cpu", compute_type="int8", settings=WhisperSTTService.Settings(model=str(options.whisper))
    )
    llm = OpenAILLMService(
        api_key="none",
        base_url=f"{llm_url}/v1",
        settings=OpenAILLMService.Settings(
            model="local",
            system_instruction=options.instructions,
            temperature=options.temperature,
            max_tokens=options.max_tokens,
        ),
    )
    tts = PiperTTSService(
        download_dir=options.voice.parent, settings=PiperTTSService.Settings(voice=options.voice.stem)
    )
    context = LLMContext()
    listening = LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer(), user_turn_strategies=strategies(options.turn))
    user, assistant = LLMContextAggregatorPair(context, user_params=listening)
    pipeline = Pipeline([transport.input(), stt, user, llm, tts, transport.output(), assistant])
    worker = PipelineWorker(pipeline, params=PipelineParams(), idle_timeout_secs=None)
    runner = WorkerRunner(handle_sigint=False)

    @worker.rtvi.event_handler("on_client_message")
    async def on_client_message(_rtvi: Any, message: Any) -> None:
        if message.type == FORGET:
            context.set_messages([])

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: Any, _client: Any) -> None:
        await runner.cancel()

    await runner.add_workers(worker)
    await runner.run()


def strategies(turn: str) -> UserTurnStrategies | None:
    """Choose when a turn is over: None leaves that to Pipecat, whose choice is Smart Turn."""
    return None if turn == "default" else UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy()])


def serve_model(path: Path, threads: int) -> xllamacpp.Server:
    """Load the language model, and let llama.cpp listen on a port of its choice."""
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.verbosity = -1
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    return xllamacpp.Server(params)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    for name in ("whisper", "llm", "voice"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--llm-threads", type=int, required=True)
    parser.add_argument("--turn", choices=("default", "speech-timeout"), required=True)
    parser.add_argument("--instructions", required=True)
    parser.add_argument("--max-tokens", type=int, required=True)
    parser.add_argument("--temperature", type=float, required=True)
    options = parser.parse_args()
    model = serve_model(options.llm, options.llm_threads)
    listener = socket.create_server(("127.0.0.1", 0))

    @asynccontextmanager
    async def listening(_app: FastAPI) -> AsyncIterator[None]:
        sys.stdout.write(f"ws://127.0.0.1:{listener.getsockname()[1]}/\n")
        sys.stdout.flush()
        yield

    app = FastAPI(lifespan=listening)

    @app.websocket("/")
    async def accept(websocket: WebSocket) -> None:
        await websocket.accept()
        await converse(websocket, options, model.listening_address)

    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    main()
