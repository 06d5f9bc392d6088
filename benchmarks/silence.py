"""What leaving out silence changes: stems of a song with silence, computed throughout and not.

    python benchmarks/silence.py SONG… [-m lite] [--repo DIR] [--seconds 10] [--steps 0 1 2]

Before, into the middle of and after the beginning of each song, whose offset is taken out, come 2.2 segments of
silence: dither (triangular density) of so many steps of 16 bits, 0 for digital silence. Prints the segments computed
without and with leaving out, their CPU time, the energy of the difference of the worst stem in dB of that stem's
energy, and of the loudest difference of any stem: effective value and peak where there is one, in dB of full scale,
and the loudest 10 ms of its second derivative relative to the median, in dB, where a click would show. Fails above
-60 dB of a stem.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from engines import engine_of
from sound import difference_db, read
from unbraid import Separator
from unbraid.separation import pipeline
from unbraid.separation.network import Network

ALLOWED_DB = -60.0
STEP = 2.0**-15  # of 16 bits
SILENT_SEGMENTS = 2.2
FRAME = 441  # samples: 10 ms


def main() -> int:
    """Separate everything twice, print a table, and say whether the promise holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("songs", type=Path, nargs="+", metavar="SONG")
    parser.add_argument("-m", "--model", default="lite")
    parser.add_argument("--repo", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each song, from its beginning")
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    separator = Separator(options.model, repo=options.repo, device="cpu")
    print(f"{options.model} by {engine_of(separator.model)}, on both sides")
    silent = int(SILENT_SEGMENTS * separator.model.segment)
    worst = -np.inf
    print(f"{'':44}{'segments':>10}{'CPU s':>14}{'stem':>9}{'rms':>9}{'peak':>9}{'click':>9}  dB")
    for path in options.songs:
        song = read(path, options.seconds)
        song -= song.mean()
        half = song.shape[1] // 2
        for steps in options.steps:
            quiet = dither(silent, steps)
            for where, parts in {
                "before": [quiet, song],
                "middle": [song[:, :half], quiet, song[:, half:]],
                "after": [song, quiet],
            }.items():
                whole = np.concatenate(parts, axis=1)
                loudness = 20 * np.log10(whole.mean(axis=0).std())
                full, computed, full_s = separate(separator, whole, lambda deviation: -1.0)
                found, left, found_s = separate(separator, whole, pipeline.silence_level)
                stem_db = max(difference_db(found[name], full[name]) for name in full)
                worst = max(worst, stem_db)
                loudest = max(levels_db(found[name] - full[name]) for name in full)
                figures = "".join(f"{level:9.1f}" for level in loudest)
                what = f"{path.name:20.20} {where:7}{steps} steps {loudness:6.1f} dB"
                print(
                    f"{what:44}{computed:6}->{left:2}{full_s:8.1f}->{found_s:4.1f}{stem_db:9.1f}{figures}",
                    flush=True,
                )
    print(f"{'holds' if worst <= ALLOWED_DB else 'DOES NOT HOLD'}: {worst:.1f} dB of a stem at worst")
    return 0 if worst <= ALLOWED_DB else 1


def separate(
    separator: Separator, song: np.ndarray, silence_level: Callable[[float], float]
) -> tuple[dict[str, np.ndarray], int, float]:
    """Stems, how many segments were computed, and the CPU time."""
    estimate, usual = Network.estimate, pipeline.silence_level
    computed = 0

    def counted(network: Network, mixture: np.ndarray, sources: Sequence[int]) -> np.ndarray:
        nonlocal computed
        computed += 1
        return estimate(network, mixture, sources)

    started = time.process_time()
    Network.estimate, pipeline.silence_level = counted, silence_level
    try:
        stems = dict(separator.separate(song))
    finally:
        Network.estimate, pipeline.silence_level = estimate, usual
    return stems, computed, time.process_time() - started


def levels_db(difference: np.ndarray) -> tuple[float, float, float]:
    """Effective value and peak, where there is any difference, and the loudest 10 ms relative to the median."""
    bent = np.diff(difference.astype(np.float64), 2)
    frames = bent[:, : bent.shape[1] // FRAME * FRAME].reshape(bent.shape[0], -1, FRAME)
    loudness = np.sqrt(np.square(frames).mean(axis=(0, 2)))
    there = difference[:, np.abs(difference).max(axis=0) > STEP * 1e-3].astype(np.float64)
    if not there.size:
        return -np.inf, -np.inf, 0.0
    audible = loudness[loudness > STEP * 1e-3]
    click = 20 * np.log10(audible.max() / np.median(audible)) if audible.size else 0.0
    return (
        float(10 * np.log10(np.square(there).mean())),
        float(20 * np.log10(np.abs(there).max())),
        float(click),
    )


def dither(samples: int, steps: int) -> np.ndarray:
    """What is left of silence in 16 bits, (2, samples) float32."""
    chosen = np.random.default_rng(0)
    drawn = steps * (chosen.random((2, samples)) - chosen.random((2, samples)))
    return (np.round(drawn) * STEP).astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
