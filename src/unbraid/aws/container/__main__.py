"""What the image starts: `python -m unbraid.aws.container serve` (an endpoint's server) or `function` (AWS Lambda)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

HANDLER = "unbraid.aws.container.function.handler"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, or answer Lambda's events, until told to stop; the exit code."""
    parser = argparse.ArgumentParser(prog="unbraid.aws.container", description=__doc__)
    parser.add_argument("what", choices=("serve", "function"))
    if parser.parse_args(arguments).what == "function":
        os.execv(sys.executable, [sys.executable, "-m", "awslambdaric", HANDLER])
    from unbraid.aws.container import server

    return server.main()


if __name__ == "__main__":
    sys.exit(main())
