"""Where the command begins: answers ``--version`` before anything heavy is loaded."""

import os
import sys

from doorward._version import __version__

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave with its exit status."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"doorward {__version__}\n")
        return
    try:
        from doorward.cli.app import build
    except ModuleNotFoundError as exc:
        if exc.name not in {"typer", "rich"}:
            raise
        sys.exit("The commands need two more packages: pip install 'doorward[cli]'.")
    try:
        build(sys.argv[1:])()
    except BrokenPipeError:
        # Whoever read our output went away; nothing is to be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
