"""`python -m unbraid` is the same command as `unbraid`."""

import sys

from unbraid.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
