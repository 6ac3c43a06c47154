"""The settings: frozen structs, each field with its default, its bounds and the line that ``--help`` shows.

One table serves everything: a field ``model`` of section ``stt`` is ``model`` under ``[stt]`` in TOML,
``SIMPLEVOICE_STT_MODEL`` in the environment and ``--stt-model`` on the command line. ``[server]`` adds no prefix:
``port`` is ``SIMPLEVOICE_PORT`` and ``--port``. The table made of these structs is ``table``; how settings
are read and merged stands in ``sources``.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from simplevoice.types import AudioFormat, Language, ResponseMode, TurnDetection, VoiceType


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of the configuration."""


def secret(description: str) -> Meta:
    """A field that is masked wherever settings are shown."""
    return Meta(description=description, extra={"secret": True})


def common(description: str) -> Meta:
    """A field that stands once in its section, for the engine and its fallbacks alike."""
    return Meta(description=description, extra={"common": True})


# A constrained type's own description is what an error says is allowed. "\Z" where "$" would let a line feed through.
HttpUrl = Annotated[
    str, Meta(pattern=r"^https?://[^\s/?#]+[^\s?#]*\Z", description="a URL that begins with http:// or https://")
]
PathPrefix = Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9._~-]+)+\Z", description="a path such as /api/v1")]
Origin = Annotated[
    str, Meta(pattern=r"^(\*|https?://[^\s/?#]+)\Z", description="* or an origin such as https://example.org")
]
HostName = Annotated[
    str, Meta(pattern=r"^(\*|[A-Za-z0-9._-]+)\Z", description="* or a name such as voice.example.org, without a port")
]
Rate = Annotated[str, Meta(pattern=r"^[+-][0-9]{1,3}%\Z", description="a signed percentage such as +10% or -25%")]
Threads = Annotated[int, Meta(ge=0, le=1024)]
Failures = Annotated[int, Meta(ge=1, le=1000)]
RetrySeconds = Annotated[float, Meta(gt=0, le=86_400)]


class ServerConfig(Section, frozen=True):
    """Where the daemon listens and whom it lets in."""

    host: Annotated[str, Meta(description="Address to listen on.", min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port to listen on; 0 takes a free one.", ge=0, le=65535)] = 8000
    path_prefixes: Annotated[
        tuple[PathPrefix, ...],
        Meta(
            description="Serve every path under this prefix too.",
            extra={"flag": "path-prefix"},
        ),
    ] = ()
    connection_ids: Annotated[
        Literal["client", "server"],
        Meta(description="Who names a connection: the client must, or the server does when it doesn't."),
    ] = "client"
    auth_token_file: Annotated[
        str | None, Meta(description="Clients must present a token of this file, which holds name:token lines.")
    ] = None
    allow_anonymous: Annotated[
        bool, Meta(description="Without a token file, let everybody in who reaches the daemon over the network.")
    ] = False
    allow_query_token: Annotated[
        bool, Meta(description="Accept tokens as ?token= too, which other programs may write into their logs.")
    ] = False
    allowed_origins: Annotated[
        tuple[Origin, ...],
        Meta(
            description="Web origins that may connect besides the server's own; * is any.",
            extra={"flag": "allowed-origin"},
        ),
    ] = ()
    allowed_hosts: Annotated[
        tuple[HostName, ...],
        Meta(
            description="Names that requests may use for the daemon, besides localhost and addresses; * is any. "
            "Where none is set, any will do if a token is asked for, and none if not.",
            extra={"flag": "allowed-host"},
        ),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Proxies whose X-Forwarded headers are believed: addresses, networks, or unix for the peers of "
            "a Unix socket.",
            extra={"flag": "trusted-proxy"},
        ),
    ] = ()
    tls_cert: Annotated[
        str | None, Meta(description="PEM file of the certificate and its chain; with it the daemon speaks TLS only.")
    ] = None
    tls_key: Annotated[str | None, Meta(description="PEM file of the certificate's key.")] = None


class ConversationConfig(Section, frozen=True):
    """What a connection gets when it asks for nothing else."""

    language: Annotated[Language, Meta(description="Language of a connection that names none.")] = "ar"
    voice_type: Annotated[VoiceType, Meta(description="Voice of a connection that names none.")] = "female"
    turn_detection: Annotated[
        TurnDetection,
        Meta(description="none: one message is one utterance; server_vad: the server finds the turns."),
    ] = "none"
    response_mode: Annotated[
        ResponseMode, Meta(description="complete: one answer at the end; stream: speech as it is made.")
    ] = "complete"
    audio_format: Annotated[AudioFormat, Meta(description="Format of the speech that is sent.")] = "mp3"


class LimitsConfig(Section, frozen=True):
    """The bounds of everything that could grow."""

    max_connections: Annotated[int, Meta(description="Connections at once.", ge=1, le=100_000)] = 64
    connections_per_address: Annotated[
        int,
        Meta(description="Connections at once of one client address, or IPv6 /64; 0 sets no bound.", ge=0, le=100_000),
    ] = 0
    connections_per_token: Annotated[
        int, Meta(description="Connections at once with one token; 0 sets no bound.", ge=0, le=100_000)
    ] = 0
    waiting_sockets: Annotated[
        int,
        Meta(
            description="Network connections at once that are no conversation, or not yet; more are closed unheard.",
            ge=1,
            le=100_000,
        ),
    ] = 256
    handshake_seconds: Annotated[
        float,
        Meta(description="A client must have sent its request this long after it connected.", gt=0, le=600),
    ] = 10.0
    max_session_seconds: Annotated[
        float,
        Meta(
            description="A connection is closed after this time, and may come again; 0 sets no end.", ge=0, le=2_592_000
        ),
    ] = 0.0
    max_audio_bytes: Annotated[
        int, Meta(description="Size of one utterance as it arrives, bytes.", ge=1024, le=100 * 2**20)
    ] = 10 * 2**20
    max_audio_seconds: Annotated[
        float, Meta(description="Length of one utterance, decoded, seconds.", gt=0, le=600)
    ] = 60.0
    turns_per_minute: Annotated[
        int, Meta(description="Turns a connection may take, sustained; as many at once.", ge=1, le=100_000)
    ] = 60
    audio_seconds_per_minute: Annotated[
        float,
        Meta(
            description="Audio a connection may send, sustained, seconds; an open microphone sends 60.",
            ge=60,
            le=6000,
        ),
    ] = 240.0
    max_turns: Annotated[
        int,
        Meta(
            description="Turns worked on at once, of all connections; 0 takes two for each core, at least 4.",
            ge=0,
            le=100_000,
        ),
    ] = 0
    turn_wait_seconds: Annotated[
        float, Meta(description="A turn beyond these waits this long for its place, then is refused.", ge=0, le=600)
    ] = 5.0
    turn_timeout_seconds: Annotated[
        float,
        Meta(
            description="A client waits this long for an answer, or for the first sound of a streamed one.",
            gt=0,
            le=600,
        ),
    ] = 20.0
    next_sound_seconds: Annotated[
        float, Meta(description="A client waits this long for the next sound of a streamed answer.", gt=0, le=600)
    ] = 10.0
    idle_timeout_seconds: Annotated[
        float, Meta(description="A connection that sends no whole message for this long is closed.", ge=1, le=86_400)
    ] = 600.0
    send_timeout_seconds: Annotated[
        float, Meta(description="A client that does not take a message within this time is closed.", gt=0, le=600)
    ] = 20.0
    messages_per_second: Annotated[
        float,
        Meta(
            description="Messages a connection may send, sustained; binary audio of a stream is free.", gt=0, le=10_000
        ),
    ] = 20.0
    history_turns: Annotated[int, Meta(description="Turns a conversation remembers.", ge=0, le=1000)] = 20
    history_tokens: Annotated[int, Meta(description="Tokens, about, a conversation remembers.", ge=0, le=1_000_000)] = (
        1500
    )
    sessions: Annotated[
        int, Meta(description="Conversations remembered at once that nobody is in.", ge=1, le=1_000_000)
    ] = 1000
    session_idle_seconds: Annotated[
        float,
        Meta(description="A conversation that nobody comes back to for this long is forgotten.", ge=1, le=2_592_000),
    ] = 3600.0
    idle_release_seconds: Annotated[
        float,
        Meta(
            description="After the last connection closed, engines give back what conversations held.", ge=0, le=86_400
        ),
    ] = 1.0
    unload_after_seconds: Annotated[
        float,
        Meta(description="After the last connection closed, models are unloaded; 0 keeps them.", ge=0, le=2_592_000),
    ] = 0.0
    drain_seconds: Annotated[
        float, Meta(description="At shutdown, turns in progress may take this long to end.", ge=0, le=600)
    ] = 15.0


class EndpointingConfig(Section, frozen=True):
    """When a turn begins and ends, in ms of audio: what may differ from connection to connection.

    The later of two moments is never before the earlier: a turn ends tentatively, then plainly, then in any case.
    """

    start_threshold: Annotated[
        float, Meta(description="Speech begins at this probability of Silero.", ge=0.05, le=0.95)
    ] = 0.5
    stop_threshold: Annotated[float, Meta(description="Speech goes on down to this probability.", ge=0.05, le=0.95)] = (
        0.35
    )
    min_speech_ms: Annotated[
        int, Meta(description="Shorter speech, such as a cough, starts no turn.", ge=32, le=2000)
    ] = 250
    pre_roll_ms: Annotated[int, Meta(description="Sound kept from before the speech began.", ge=0, le=1000)] = 300
    tentative_ms: Annotated[int, Meta(description="Silence after which a turn may be over.", ge=64, le=1000)] = 160
    resume_ms: Annotated[
        int, Meta(description="Speech after a tentative end that goes on with the turn.", ge=32, le=500)
    ] = 96
    silence_ms: Annotated[
        int, Meta(description="Silence that ends a turn when nothing else is known.", ge=64, le=3000)
    ] = 500
    max_silence_ms: Annotated[
        int, Meta(description="Silence that ends any turn, also an unfinished one.", ge=64, le=5000)
    ] = 1200


class TurnsConfig(EndpointingConfig, frozen=True):
    """How turns are found in a stream (server_vad), and what is done ahead."""

    smart_turn: Annotated[bool, Meta(description="Ask the Smart Turn model whether the speech sounds finished.")] = True
    early_transcription: Annotated[
        bool, Meta(description="Transcribe at the tentative end, and let the words decide how long to wait.")
    ] = True
    early_reply: Annotated[
        bool, Meta(description="Begin the reply at the tentative end; it is held until the turn is over.")
    ] = True
    early_speech: Annotated[bool, Meta(description="Speak the early reply's first piece ahead too, held like it.")] = (
        True
    )
    half_duplex: Annotated[
        bool, Meta(description="Ignore the microphone while a reply is spoken: no barge-in, no echo.")
    ] = False


class SttConfig(Section, frozen=True):
    """Speech to text."""

    engine: Annotated[Literal["whisper", "openai"], Meta(description="Speech recognizer.")] = "whisper"
    model: Annotated[
        str,
        Meta(description="A faster-whisper model's name or folder, or the remote server's model.", min_length=1),
    ] = "base"
    device: Annotated[Literal["auto", "cpu", "cuda"], Meta(description="Where Whisper runs.")] = "auto"
    compute_type: Annotated[
        Literal[
            "auto",
            "default",
            "int8",
            "int8_float16",
            "int8_float32",
            "int8_bfloat16",
            "int16",
            "float16",
            "bfloat16",
            "float32",
        ],
        Meta(
            description="Whisper's arithmetic; auto is int8 on the CPU, float16 on CUDA or float32 where that is slow."
        ),
    ] = "auto"
    threads: Annotated[
        Threads,
        Meta(
            description="CPU threads of a transcription; 0: half of the cores, 2 at least where there are 2, 4 at most."
        ),
    ] = 0
    base_url: Annotated[HttpUrl | None, Meta(description="Base URL of the OpenAI-compatible server.")] = None
    api_key: Annotated[str | None, secret("Key of that server.")] = None
    timeout_seconds: Annotated[float, Meta(description="One transcription may take this long.", gt=0, le=600)] = 8.0
    breaker_failures: Annotated[
        Failures, common("Failures in a row after which a recognizer comes behind its fallbacks.")
    ] = 3
    breaker_retry_seconds: Annotated[
        RetrySeconds, common("It is tried again, in the background, after this time, seconds.")
    ] = 30.0
    fallbacks: Annotated[
        tuple["SttConfig", ...], common("Recognizers that hear, in this order, when the one above is down.")
    ] = ()


class LlmConfig(Section, frozen=True):
    """The language model."""

    engine: Annotated[
        Literal["auto", "openai", "llama", "echo"],
        Meta(description="auto: openai when a URL or key is set, else the best local model, else echo."),
    ] = "auto"
    model: Annotated[
        str | None, Meta(description="The server's model, or a catalogue name or GGUF file for llama.")
    ] = None
    base_url: Annotated[HttpUrl | None, Meta(description="Base URL of an OpenAI-compatible server, with its /v1.")] = (
        None
    )
    api_key: Annotated[str | None, secret("Key of that server.")] = None
    max_tokens: Annotated[int, Meta(description="A reply is at most this long.", ge=1, le=4096)] = 160
    temperature: Annotated[float, Meta(description="Sampling temperature.", ge=0, le=2)] = 0.3
    instructions: Annotated[
        Annotated[str, Meta(max_length=20_000)] | None,
        common("System prompt in place of the built-in one of the language."),
    ] = None
    threads: Annotated[
        Threads,
        Meta(description="CPU threads of llama; 0: half of the cores, 8 at most."),
    ] = 0
    slots: Annotated[int, Meta(description="Replies llama makes at once.", ge=1, le=64)] = 4
    context_tokens: Annotated[
        int, Meta(description="llama's context of one conversation, tokens.", ge=256, le=131_072)
    ] = 2048
    gpu: Annotated[Literal["auto", "on", "off"], Meta(description="Whether llama uses the GPU.")] = "auto"
    timeout_seconds: Annotated[
        float, Meta(description="The first text, and each next, must come within this time.", gt=0, le=600)
    ] = 6.0
    breaker_failures: Annotated[
        Failures, common("Failures in a row after which a model comes behind its fallbacks.")
    ] = 3
    breaker_retry_seconds: Annotated[
        RetrySeconds, common("It is tried again, in the background, after this time, seconds.")
    ] = 30.0
    fallbacks: Annotated[
        tuple["LlmConfig", ...], common("Models that answer, in this order, when the one above is down.")
    ] = ()


EdgeVoice = Annotated[str, Meta(description="Edge voice.", min_length=1)]


class VoicesConfig(Section, frozen=True):
    """The Edge voice of each language and type."""

    ar_female: EdgeVoice = "ar-SA-ZariyahNeural"
    ar_male: EdgeVoice = "ar-SA-HamedNeural"
    en_female: EdgeVoice = "en-US-JennyNeural"
    en_male: EdgeVoice = "en-US-GuyNeural"


class TtsConfig(Section, frozen=True):
    """Text to speech."""

    engine: Annotated[
        Literal["edge", "espeak", "piper"],
        Meta(description="Voice; edge falls to the local one when it fails."),
    ] = "edge"
    local: Annotated[
        Literal["auto", "espeak", "piper"],
        Meta(description="The local voice; auto is piper where its voice is installed, else espeak."),
    ] = "auto"
    rate: Annotated[Rate, Meta(description="Pace of speech relative to the voice's own.")] = "+0%"
    proxy: Annotated[HttpUrl | None, secret("HTTP proxy through which Edge is reached.")] = None
    first_audio_seconds: Annotated[
        float, Meta(description="Edge must give its first audio within this time.", gt=0, le=30)
    ] = 1.0
    breaker_failures: Annotated[Failures, Meta(description="Failures in a row after which Edge is not asked.")] = 3
    breaker_retry_seconds: Annotated[
        RetrySeconds, Meta(description="Edge is tried again after this time, seconds.")
    ] = 30.0


class ModelsConfig(Section, frozen=True):
    """The weights."""

    dir: Annotated[str | None, Meta(description="Where weights are kept; the user's cache folder by default.")] = None
    source_dir: Annotated[
        str | None, Meta(description="A folder to copy weights from before any network is asked.")
    ] = None
    offline: Annotated[bool, Meta(description="Never fetch weights.")] = False


ModuleLevel = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][A-Za-z0-9_.]*=(debug|info|warning|error)\Z",
        description="a module and its level such as simplevoice.tts=debug",
    ),
]


class LoggingConfig(Section, frozen=True):
    """Logs, on standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least level logged.", extra={"flag": "log-level"}),
    ] = "info"
    levels: Annotated[
        tuple[ModuleLevel, ...],
        Meta(
            description="Least level of a module and of what is in it, where it differs.",
            extra={"flag": "module-log-level"},
        ),
    ] = ()
    format: Annotated[
        Literal["auto", "json", "console"],
        Meta(description="auto: console on a terminal, else JSON.", extra={"flag": "log-format"}),
    ] = "auto"
    transcripts: Annotated[
        bool,
        Meta(
            description="Write what was said into the logs. Off: no transcript leaves memory.",
            extra={"flag": "log-transcripts"},
        ),
    ] = False


class TracesConfig(Section, frozen=True):
    """Traces of turns, with the extra [otel]."""

    endpoint: Annotated[
        HttpUrl | None,
        Meta(
            description="Send a trace of every turn to this OTLP/HTTP collector; OTEL_EXPORTER_OTLP_ENDPOINT does too."
        ),
    ] = None


class Config(Section, frozen=True):
    """All settings of a daemon."""

    server: ServerConfig = field(default_factory=ServerConfig)
    conversation: ConversationConfig = field(default_factory=ConversationConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    turns: TurnsConfig = field(default_factory=TurnsConfig)
    stt: SttConfig = field(default_factory=SttConfig)
    llm: LlmConfig = field(default_factory=LlmConfig)
    tts: TtsConfig = field(default_factory=TtsConfig)
    voices: VoicesConfig = field(default_factory=VoicesConfig)
    models: ModelsConfig = field(default_factory=ModelsConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    traces: TracesConfig = field(default_factory=TracesConfig)
