"""An emulator of the speech service that the Edge browser reads aloud with, at its wire."""

from tests.edge.emulator import EdgeEmulator, Fault, Spoken

__all__ = ["EdgeEmulator", "Fault", "Spoken"]
