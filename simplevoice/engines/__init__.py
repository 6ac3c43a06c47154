"""What speech to text, language models and text to speech have in common as engines."""
