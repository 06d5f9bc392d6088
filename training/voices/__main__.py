"""Make a bank of voices: `python -m training.voices build --out DIR` or `record --out DIR --packages DIR`."""

import argparse
import logging
import sys
from pathlib import Path

from training.voices.bank import default_folder
from training.voices.build import build
from training.voices.recordings import record
from training.voices.speakers import SPEAKERS


def main() -> int:
    """Return the exit code: 0 if the bank has at least one voice, else 1."""
    parser = argparse.ArgumentParser(prog="python -m training.voices", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="analyse the voices of the installed speech synthesisers")
    command.add_argument("--out", type=Path, default=default_folder(), help="folder (default: %(default)s)")
    command = commands.add_parser("record", help="cut speech recordings from Debian packages into syllables")
    command.add_argument("--out", type=Path, required=True, help="folder")
    command.add_argument("--packages", type=Path, required=True, help="folder for the downloaded packages")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if arguments.command == "record":
        for voice in record(arguments.out, arguments.packages):
            logging.info("%s: %d syllables, %.0f Hz", voice.name, len(voice.syllables), voice.f0_hz)
        return 0
    missing = build(arguments.out)
    return int(len(missing) == len(SPEAKERS))


if __name__ == "__main__":
    sys.exit(main())
