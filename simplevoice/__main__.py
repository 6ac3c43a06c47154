"""``python -m simplevoice``."""

from simplevoice.cli import main

main()
