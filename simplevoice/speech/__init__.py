"""Audio in and out: containers, voice activity, the end of a turn, speakable pieces of text. No network, no engine."""
