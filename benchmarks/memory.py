"""Check that the peak memory of `unbraid separate` does not grow with the length of the song.

    python benchmarks/memory.py [--minutes 3 60] [--model lite] [--at-most-mb 1200] [OPTION…]

Each song is generated (stereo, 44.1 kHz, 16 bit WAV) and separated by its own process. The kernel reports the peak
resident memory of the process when it ends. Fails if the longest song needs over 10 % more than the shortest, or over
`--at-most-mb`. Other options are passed on to `unbraid separate`: `--stems all`, or `--repo DIR` for a model with
published weights (`benchmarks/peer.py` generates random ones). Needs a Unix system, and disk space for the song, its
stems and their float32 copies (about 4.5 GB an hour).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from process import Cost, measure
from unbraid.audio.encode import Encoder

SAMPLE_RATE = 44100
ALLOWED_GROWTH = 1.10


def main() -> int:
    """Measure, print a table, and check the limits."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, nargs="+", default=[3, 60])
    parser.add_argument("--model", default="lite")
    parser.add_argument("--at-most-mb", type=float, default=1200)
    parser.add_argument("--folder", type=Path, help="folder for songs and stems during the run")
    options, more = parser.parse_known_args()
    print(f"{'song':>8}  {'peak':>8}  {'time':>8}  {'speed':>8}")
    peaks = []
    for minutes in sorted(options.minutes):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            song = write_song(Path(folder) / "song.wav", minutes)
            cost = separate(song, Path(folder) / "out", ["-m", options.model, *more])
        peaks.append(cost.peak_bytes)
        speed = minutes * 60 / cost.wall_s
        megabytes = cost.peak_bytes / 1e6
        print(f"{minutes:4g} min  {megabytes:5.0f} MB  {cost.wall_s:6.1f} s  {speed:6.1f} x", flush=True)
    growth = peaks[-1] / peaks[0]
    holds = growth <= ALLOWED_GROWTH and max(peaks) <= options.at_most_mb * 1e6
    print(f"{'passed' if holds else 'FAILED'}: {100 * (growth - 1):+.1f} % from shortest to longest")
    return 0 if holds else 1


def write_song(path: Path, minutes: float) -> Path:
    """Write a song of seeded noise that swells and fades, with a bass tone, second by second."""
    random = np.random.default_rng(0)
    with Encoder(path, sample_rate=SAMPLE_RATE, channels=2) as encoder:
        for second in range(round(minutes * 60)):
            time_s = second + np.arange(SAMPLE_RATE) / SAMPLE_RATE
            swell = 0.1 * (1 + np.sin(2 * np.pi * 0.3 * time_s))
            block = swell * random.standard_normal((2, SAMPLE_RATE)) + 0.2 * np.sin(2 * np.pi * 80 * time_s)
            encoder.write(block.astype(np.float32))
    return path


def separate(song: Path, out: Path, options: list[str]) -> Cost:
    """Separate a song in a new process and return its cost."""
    return measure([sys.executable, "-m", "unbraid", "separate", song, "-o", out, "--quiet", *options])


if __name__ == "__main__":
    sys.exit(main())
