"""Make clips on which turn detection is hard: ``python -m tests.benchmarks.turn_clips FOLDER``.

``whole`` holds what people say to a machine in one breath. ``pauses-600`` and ``pauses-900`` hold what they say with a
pause of that many ms inside: spoken by Piper, part by part, and human recordings with their own pauses made longer.
Every clip is one turn, for ``simplevoice bench endpoint``.
"""

import asyncio
import sys
from pathlib import Path

import numpy as np
from pydub import AudioSegment

from simplevoice import tts
from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.tts import Speaker, Voice
from tests.media import recording, segment

VOICE = Voice(language="en", voice_type="male")
PAUSES_MS = (600, 900)
LEVEL = 200  # of 32768: below it is silence

WHOLE = """
What time is it in Tokyo right now?|Yes.|No, thanks.|I don't know.|Can you tell me a joke?|My name is Daniel.|Stop.
Please turn off the lights in the kitchen.|How far is it from Berlin to Hamburg?|That sounds good to me.|Why not?
I would like a cup of coffee, please.|Where did you put the keys?|Set a timer for ten minutes.|Really?|Call my mother.
It was the best film that I have seen this year.|Who wrote the book that you mentioned?|Thank you very much.
The meeting is on Tuesday at three o'clock.|What is the capital of Australia and how many people live there?
I think we should leave now, because it is getting late.|Is it going to rain tomorrow?|Tell me more about that.
He said that he would come, but he didn't.|What are you looking for?|I have two brothers and one sister.
How do you spell it?|Could you repeat the last part?|What's the weather like in Cairo?
"""

PAUSED = """
I would like to book a table for|two people tomorrow evening.
Can you tell me|how to get to the station?
My phone number is five five five|zero one two|three four five six.
I need apples,|bananas,|and two bottles of milk.
I was thinking that maybe|we could go there on Sunday.
Um,|what was the name of that restaurant?
I want to send a message to|my brother.
If it rains tomorrow,|we will stay at home.
The problem is that the|printer does not work.
I called him yesterday and|he didn't answer.
So I went to the shop, because|there was no bread left.
What's the difference between|a violin and a viola?
Remind me to|buy flowers at six o'clock.
Well, you know,|it's not that easy.
I have been living here since|nineteen ninety eight.
Please read me the|second chapter.
How much does it cost to fly from London|to New York?
Two hundred and|fifty.
Yes, but|I don't like it.
I'm looking for a hotel|near the airport|with a swimming pool.
My address is twelve|Baker Street.
In my opinion|that's a very good idea.
First I would like to say|that I'm very happy to be here.
The book, which I bought last week,|is really boring.
"""

HUMAN_PAUSES_MS = {
    "en-LJ001-0012.wav": (2850, 4500, 5650),
    "en-LJ006-0114.wav": (2220,),
    "en-LJ011-0202.wav": (1550,),
    "ar-digits-357029.wav": (1000, 1950, 2900, 3900, 5000),
}
"""The middle of each pause."""


async def make(folder: Path) -> None:
    """Write all clips."""
    speaker = tts.create_engine("piper", TtsConfig(), VoicesConfig(), ModelsConfig())
    await speaker.load()
    try:
        for text in WHOLE.replace("\n", "|").strip("|").split("|"):
            _write(folder / "whole" / f"en-{_slug(text)}.wav", await _speak(speaker, text))
        for line in PAUSED.strip().splitlines():
            parts = [await _speak(speaker, part) for part in line.split("|")]
            for pause_ms in PAUSES_MS:
                _write(folder / f"pauses-{pause_ms}" / f"en-{_slug(line)}.wav", _join(parts, pause_ms))
    finally:
        await speaker.close()
    for name, middles in HUMAN_PAUSES_MS.items():
        audio = recording(name).set_frame_rate(16_000)
        for middle in middles:
            parts = [_trim(audio[:middle]), _trim(audio[middle:])]
            for pause_ms in PAUSES_MS:
                target = folder / f"pauses-{pause_ms}" / f"{name.removesuffix('.wav')}-{middle}.wav"
                _write(target, _join(parts, pause_ms))


async def _speak(speaker: Speaker, text: str) -> AudioSegment:
    chunks = [chunk async for chunk in speaker.synthesize(text, VOICE)]
    audio = segment(np.frombuffer(b"".join(chunk.data for chunk in chunks), "<i2"), chunks[0].sample_rate)
    return _trim(audio.set_frame_rate(16_000))


def _trim(audio: AudioSegment) -> AudioSegment:
    loud = np.flatnonzero(np.abs(np.frombuffer(audio.raw_data, "<i2").astype(int)) > LEVEL)
    return audio[loud[0] // 16 : loud[-1] // 16 + 1]


def _join(parts: list[AudioSegment], pause_ms: int) -> AudioSegment:
    joined = parts[0]
    for part in parts[1:]:
        joined += segment(np.zeros(pause_ms * 16)) + part
    return joined


def _slug(text: str) -> str:
    return "-".join("".join(c for c in text.lower() if c.isalnum() or c in " |").replace("|", " ").split()[:5])


def _write(path: Path, audio: AudioSegment) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.export(path, format="wav").close()


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
