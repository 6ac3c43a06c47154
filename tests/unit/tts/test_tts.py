import re
import subprocess
import sys
from pathlib import Path

import pytest

from simplevoice import tts
from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.errors import SpeechError
from simplevoice.tts import Voice
from simplevoice.tts.policy import SpeechPolicy
from simplevoice.types import Language


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("مرحبا،\u0000 كيف\u0007 حالك؟", "مرحبا، كيف حالك؟"),
        ("one\ud800two", "one two"),
        ("one\uffff\ntwo\u0085 \ue000three", "one two three"),
        ("لا\u200fنعم", "لا\u200fنعم"),
    ],
)
def test_speakable_leaves_out_what_engines_cannot_take(text: str, spoken: str) -> None:
    assert tts.speakable(text) == spoken


@pytest.mark.parametrize("text", ["", "  ", "؟!", "…", "\x00", "😀"])
def test_speakable_refuses_what_would_be_silent(text: str) -> None:
    with pytest.raises(SpeechError, match="nothing to pronounce"):
        tts.speakable(text)


@pytest.mark.parametrize(
    ("rate", "factor"), [("+0%", 1.0), ("+10%", 1.1), ("-25%", 0.75), ("-100%", 0.5), ("+999%", 2.0)]
)
def test_pace_is_a_factor_within_what_can_be_followed(rate: str, factor: float) -> None:
    assert tts.pace(rate) == pytest.approx(factor)


def test_create_gives_the_policy() -> None:
    assert isinstance(tts.create(TtsConfig(), VoicesConfig(), ModelsConfig()), SpeechPolicy)


@pytest.mark.parametrize("name", tts.ENGINES)
def test_create_engine_knows_every_name(name: str) -> None:
    assert tts.create_engine(name, TtsConfig(), VoicesConfig(), ModelsConfig()).name == name


def test_only_the_libraries_of_the_chosen_engine_are_imported() -> None:
    program = """
import sys
from simplevoice import tts
from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
tts.create(TtsConfig(engine="espeak"), VoicesConfig(), ModelsConfig())
print([name for name in ("edge_tts", "piper", "aiohttp", "onnxruntime", "espeakng_loader") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['espeakng_loader']"


async def test_the_voice_table_has_each_language_and_type(tmp_path: Path) -> None:
    rows = await tts.voice_table(TtsConfig(), VoicesConfig(en_male="en-GB-RyanNeural"), ModelsConfig(dir=str(tmp_path)))
    for engine in ("edge", "espeak"):
        kinds = [(row.language, row.voice_type) for row in rows if row.engine == engine and row.present]
        assert kinds == [("ar", "female"), ("ar", "male"), ("en", "female"), ("en", "male")]
    assert "en-GB-RyanNeural" in [row.name for row in rows]
    assert [(row.name, row.present) for row in rows if row.engine == "piper"] == [
        ("piper-ar-male", False),
        ("piper-en-female", False),
        ("piper-en-male", False),
    ]


@pytest.mark.parametrize(
    ("name", "language", "own"),
    [
        ("en-us+m3", "en", True),
        ("en-us+m3", "ar", False),
        ("ar-SA-ZariyahNeural", "ar", True),
        ("ar-SA-ZariyahNeural", "en", False),
        ("en-US-AvaMultilingualNeural", "ar", True),
        ("fr-FR-DeniseNeural", "en", True),
        (None, "ar", False),
    ],
)
def test_a_voice_of_the_other_language_is_passed_over(name: str | None, language: Language, own: bool) -> None:
    voice = Voice(language, "female", name)
    assert voice.own_name(re.compile(".*")) == (name if own else None)
    assert voice.own_name(re.compile("another")) is None
