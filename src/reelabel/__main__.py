"""``python -m reelabel`` is ``reelabel``."""

from reelabel.cli import main

main()
