"""The only rooms that know aiohttp's server side."""
