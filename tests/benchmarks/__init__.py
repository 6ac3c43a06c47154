"""How fast it is: each figure beside a yardstick that is measured in the same run. ``make bench`` runs all."""

import warnings

from simplevoice.logs import NO_FFMPEG

warnings.filterwarnings("ignore", NO_FFMPEG, RuntimeWarning)
