"""Imports in threads, beside which weights are read."""

import threading

ONE_AT_A_TIME = threading.Lock()
"""Held while a thread imports. Two of them could each wait for a module that the other one has begun, and Python then
fails one. Nothing is lost by it: an import keeps the GIL."""
