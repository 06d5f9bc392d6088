"""Run the command `unbraid` as `python -m unbraid`."""

import sys

from unbraid.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
