"""What the image starts: `python -m unbraid.aws.container serve`, an endpoint's server; `function`, for AWS Lambda; or
`ping`, which tells by its exit code whether the server beside it is ready."""

from __future__ import annotations

import argparse
import os
import sys
import urllib.request
from collections.abc import Sequence

HANDLER = "unbraid.aws.container.function.handler"
PING_S = 4.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked; the exit code."""
    parser = argparse.ArgumentParser(prog="unbraid.aws.container", description=__doc__)
    parser.add_argument("what", choices=("serve", "function", "ping"))
    what = parser.parse_args(arguments).what
    if what == "function":
        os.execv(sys.executable, [sys.executable, "-m", "awslambdaric", HANDLER])
    if what == "ping":
        return _ping()
    from unbraid.aws.container import server

    return server.main()


def _ping() -> int:
    from unbraid.aws.container.settings import ContainerSettings

    try:
        address = f"http://127.0.0.1:{ContainerSettings.load().port}/ping"
        with urllib.request.urlopen(address, timeout=PING_S):
            return 0
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
