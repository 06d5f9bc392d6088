"""`unbraid finetune`: teach a model from your own stems."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from unbraid.cli.messages import say
from unbraid.cli.streams import write_result


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "finetune",
        help="teach a model from your own stems",
        description="Teach a model from songs whose stems you have. `--check` only says which songs can be used, and "
        "what to expect from them.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "songs",
        type=Path,
        metavar="STEMS",
        help="folder of songs: each is a folder of stems (vocals.wav, drums.wav, …) or a .stem.mp4 file",
    )
    parser.add_argument(
        "--check", action="store_true", help="only check the songs: nothing is learnt or written"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check the songs. Return 1 if nothing can be learnt from them."""
    from unbraid.cli.finetune_report import as_dict, song_line, totals
    from unbraid.errors import SettingError
    from unbraid.finetuning.check import check_songs
    from unbraid.finetuning.songs import Song

    if not arguments.check:
        raise SettingError("Use --check: this version can only check the songs.")

    def seen(number: int, songs: int, song: Song) -> None:
        if not arguments.json and sys.stderr.isatty():
            say(f"{song.name} ({number} of {songs})")

    check = check_songs(arguments.songs, seen=seen)
    if arguments.json:
        write_result(json.dumps(as_dict(check)) + "\n")
    else:
        write_result("".join(f"{line}\n" for song in check.songs for line in song_line(song, check)))
        write_result("".join(f"{line}\n" for line in totals(check)))
    return 1 if check.problem else 0
