"""One client's conversation: what it says becomes turns, and each turn an answer."""
