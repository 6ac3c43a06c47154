"""``make fuzz``: everything that reads a client's bytes, fed with mutations of what it should read, for minutes."""
