"""``python -m doorward``."""

from doorward.cli.entry import main

main()
