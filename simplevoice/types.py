"""The words that every room shares."""

from typing import Literal, get_args

Language = Literal["ar", "en"]
VoiceType = Literal["female", "male"]
TurnDetection = Literal["none", "server_vad"]
ResponseMode = Literal["complete", "stream"]
AudioFormat = Literal["mp3", "wav", "pcm16", "opus"]
SpeechCodec = Literal["mp3", "pcm16"]
AudioTransport = Literal["base64", "binary"]
InputFormat = Literal["wav", "mp3", "m4a", "webm", "ogg", "flac"]

LANGUAGES: tuple[Language, ...] = get_args(Language)
VOICE_TYPES: tuple[VoiceType, ...] = get_args(VoiceType)
AUDIO_FORMATS: tuple[AudioFormat, ...] = get_args(AudioFormat)
INPUT_FORMATS: tuple[InputFormat, ...] = get_args(InputFormat)

INPUT_SAMPLE_RATE = 16_000
"""Hz. What recognition and voice activity detection work on."""

OUTPUT_SAMPLE_RATE = 24_000
"""Hz. Every reply, whatever engine spoke it and whatever format carries it."""
