"""The proof: load, faults and malice, each as a command that ends with figures for docs/reliability.md."""

import warnings

from simplevoice.logs import NO_FFMPEG

warnings.filterwarnings("ignore", NO_FFMPEG, RuntimeWarning)
