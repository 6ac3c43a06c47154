"""Property tests try the same examples on every run, and on a slow machine too."""

from hypothesis import settings

settings.register_profile("steady", derandomize=True, database=None, deadline=None)
settings.load_profile("steady")
