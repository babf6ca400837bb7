"""``python -m lidepth``: the command line."""

from lidepth.cli import main

main()
