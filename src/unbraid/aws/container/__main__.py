"""The entry point of the image: `python -m unbraid.aws.container COMMAND`.

`serve` runs an endpoint's server, `function` runs AWS Lambda's runtime, and `ping` exits with 0 if the server in the
same container is ready.
"""

from __future__ import annotations

import argparse
import os
import sys
import urllib.request
from collections.abc import Sequence

HANDLER = "unbraid.aws.container.function.handler"
PING_S = 4.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="unbraid.aws.container", description=__doc__)
    parser.add_argument("command", choices=("serve", "function", "ping"))
    command = parser.parse_args(arguments).command
    if command == "function":
        os.execv(sys.executable, [sys.executable, "-m", "awslambdaric", HANDLER])
    if command == "ping":
        return _ping()
    from unbraid.aws.container.user import drop_root

    drop_root()  # before the server and its libraries are loaded
    from unbraid.aws.container import server

    return server.main()


def _ping() -> int:
    from unbraid.aws.container.settings import ContainerSettings

    try:
        url = f"http://127.0.0.1:{ContainerSettings.load().port}/ping"
        with urllib.request.urlopen(url, timeout=PING_S):
            return 0
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
