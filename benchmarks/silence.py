"""Measure the effect of skipping silence: separate songs with silence, once with and once without skipping it.

    python benchmarks/silence.py SONG… [-m lite] [--repo DIR] [--seconds 10] [--steps 0 1 2]

Takes the beginning of each song, removes its offset, and inserts 2.2 segments of silence before, in the middle or
after. Silence is triangular dither with an amplitude of `--steps` steps of 16 bits; 0 is digital silence. Prints the
number of computed segments without and with skipping, their CPU time, and the energy of the difference of the worst
stem in dB relative to that stem's energy. For the loudest difference of any stem, also prints its RMS and peak in dB of
full scale, and the loudest 10 ms of its second derivative in dB relative to the median, which shows clicks. Fails above
-60 dB.
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
    """Separate everything twice, print a table, and check the limit."""
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
    print(f"{options.model} by {engine_of(separator.model)}, both times")
    silent = int(SILENT_SEGMENTS * separator.model.segment)
    worst = -np.inf
    print(f"{'':44}{'segments':>10}{'CPU s':>14}{'stem':>9}{'rms':>9}{'peak':>9}{'click':>9}  dB")
    for path in options.songs:
        song = read(path, options.seconds)
        song -= song.mean()
        half = song.shape[1] // 2
        for steps in options.steps:
            quiet = dither(silent, steps)
            for position, parts in {
                "before": [quiet, song],
                "middle": [song[:, :half], quiet, song[:, half:]],
                "after": [song, quiet],
            }.items():
                song_with_silence = np.concatenate(parts, axis=1)
                loudness = 20 * np.log10(song_with_silence.mean(axis=0).std())
                full, all_segments, full_s = separate(separator, song_with_silence, lambda deviation: -1.0)
                skipped, segments, skipped_s = separate(separator, song_with_silence, pipeline.silence_level)
                stem_db = max(difference_db(skipped[name], full[name]) for name in full)
                worst = max(worst, stem_db)
                loudest = max(levels_db(skipped[name] - full[name]) for name in full)
                figures = "".join(f"{level:9.1f}" for level in loudest)
                label = f"{path.name:20.20} {position:7}{steps} steps {loudness:6.1f} dB"
                print(
                    f"{label:44}{all_segments:6}->{segments:2}{full_s:8.1f}->{skipped_s:4.1f}{stem_db:9.1f}{figures}",
                    flush=True,
                )
    print(f"{'passed' if worst <= ALLOWED_DB else 'FAILED'}: {worst:.1f} dB relative to the stem at worst")
    return 0 if worst <= ALLOWED_DB else 1


def separate(
    separator: Separator, song: np.ndarray, silence_level: Callable[[float], float]
) -> tuple[dict[str, np.ndarray], int, float]:
    """Separate with another silence level. Return stems, number of computed segments, and CPU time."""
    estimate, original_level = Network.estimate, pipeline.silence_level
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
        Network.estimate, pipeline.silence_level = estimate, original_level
    return stems, computed, time.process_time() - started


def levels_db(difference: np.ndarray) -> tuple[float, float, float]:
    """Return RMS and peak of differing samples, and the loudest 10 ms of the second derivative over its median."""
    curvature = np.diff(difference.astype(np.float64), 2)
    frames = curvature[:, : curvature.shape[1] // FRAME * FRAME].reshape(curvature.shape[0], -1, FRAME)
    loudness = np.sqrt(np.square(frames).mean(axis=(0, 2)))
    differing = difference[:, np.abs(difference).max(axis=0) > STEP * 1e-3].astype(np.float64)
    if not differing.size:
        return -np.inf, -np.inf, 0.0
    audible = loudness[loudness > STEP * 1e-3]
    click = 20 * np.log10(audible.max() / np.median(audible)) if audible.size else 0.0
    return (
        float(10 * np.log10(np.square(differing).mean())),
        float(20 * np.log10(np.abs(differing).max())),
        float(click),
    )


def dither(samples: int, steps: int) -> np.ndarray:
    """Return silence with triangular dither, rounded to 16 bits, (2, samples) float32."""
    random = np.random.default_rng(0)
    drawn = steps * (random.random((2, samples)) - random.random((2, samples)))
    return (np.round(drawn) * STEP).astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
