"""An emulator of the speech service that the Edge browser reads aloud with, at its wire."""

from tests.edge.emulator import EdgeEmulator, Fault, Pace, Spoken

__all__ = ["EdgeEmulator", "Fault", "Pace", "Spoken"]
