"""Other frameworks, each in an environment of its own, with the same weights and engines: what we are measured with."""
