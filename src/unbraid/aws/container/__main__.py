"""Separate songs in AWS: `python -m unbraid.aws.container COMMAND`. `unbraid.container` calls it in the image.

`serve` runs an endpoint's server, and `function` runs AWS Lambda's runtime.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

HANDLER = "unbraid.aws.container.function.handler"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="unbraid.aws.container", description=__doc__)
    parser.add_argument("command", choices=("serve", "function"))
    command = parser.parse_args(arguments).command
    if command == "function":
        os.execv(sys.executable, [sys.executable, "-m", "awslambdaric", HANDLER])
    from unbraid.aws.container.user import drop_root

    drop_root()  # before the server and its libraries are loaded
    from unbraid.aws.container import server

    return server.main()


if __name__ == "__main__":
    sys.exit(main())
