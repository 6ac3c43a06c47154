"""Makes a program that a test starts trust the test's CA: edge-tts trusts what certifi names, and nothing else."""

import os

import certifi


def where() -> str:
    return os.environ["EDGE_EMULATOR_CA_BUNDLE"]


certifi.where = where
