"""`demucs.separate`: the command line as a function."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from os import PathLike, fspath

from unbraid.cli import main as cli


def main(opts: Sequence[str | PathLike[str]] | None = None) -> None:
    """Run `unbraid demucs` with the options `opts`, by default those of this process.

    Returns when all songs are done. Raises SystemExit with the exit code of the command if anything failed. Messages
    go to standard error.
    """
    arguments = sys.argv[1:] if opts is None else [fspath(option) for option in opts]
    if code := cli.main(["demucs", *arguments]):
        sys.exit(code)


if __name__ == "__main__":
    main()
