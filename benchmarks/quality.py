"""Compare the quality levels: SDR if the true stems are known, and the difference between the stems of the levels.

    python benchmarks/quality.py PATH… [-m lite] [--repo DIR] [--overlaps 0.25 …] [--segment 7.8] [--seconds 30]

PATH: songs with known stems, as for `unbraid evaluate`, or recordings. Every song is separated once for each level and
each additional overlap. Prints for each of them the number of computed segments relative to the first, and for each
stem the mean SDR in dB (only songs with known stems) and the mean energy of the difference from the stem of `balanced`,
in dB relative to that stem's energy. With random weights (`benchmarks/peer.py` generates some) only the difference is
meaningful: it shows how much a stem depends on the positions of the cuts.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from sound import RATE, difference_db, read
from unbraid import Separator
from unbraid.evaluation.multitrack import Multitrack, display_order, find_songs, is_song, load
from unbraid.evaluation.score import score_song
from unbraid.models.presets import PRESETS
from unbraid.models.questions import BALANCED
from unbraid.separation.settings import Settings


def main() -> None:
    """Separate every song in every way, and print one table for SDR and one for differences."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    parser.add_argument("-m", "--model", default="lite")
    parser.add_argument("--repo", type=Path)
    parser.add_argument("--overlaps", type=float, nargs="+", default=[])
    parser.add_argument("--segment", type=float, help="seconds (default: the model's)")
    parser.add_argument("--seconds", type=float, default=np.inf, help="of each song, from its beginning")
    options = parser.parse_args()
    ways: dict[str, dict[str, Any]] = {BALANCED: {}}
    ways |= {name: {"quality": name} for name in PRESETS if name != BALANCED}
    ways |= {f"overlap {share:g}": {"overlap": share} for share in options.overlaps}
    separators = {
        way: Separator(options.model, repo=options.repo, device="cpu", segment_s=options.segment, **chosen)
        for way, chosen in ways.items()
    }
    model = separators[BALANCED].model
    work: dict[str, int] = defaultdict(int)
    scores: dict[str, dict[str, list[float]]] = {way: defaultdict(list) for way in ways}
    distances: dict[str, dict[str, list[float]]] = {way: defaultdict(list) for way in ways}
    songs = 0
    for name, mixture, rate, reference in read_songs(options.paths, options.seconds):
        songs += 1
        stems: dict[str, dict[str, np.ndarray]] = {}
        for way, separator in separators.items():
            stems[way] = dict(separator.separate(mixture, rate))
            length = round(mixture.shape[1] * model.sample_rate / rate)
            for part in Settings(segment_s=options.segment, **ways[way]).parts(model):
                for run in part.runs:
                    work[way] += sum(cut.read_length for cut in run.segments(length))
            for stem, expected in stems[BALANCED].items():
                distances[way][stem].append(difference_db(stems[way][stem], expected))
            if reference:
                estimate = {**stems[way], "no_vocals": mixture - stems[way]["vocals"]}
                score = score_song(reference, Multitrack(name, rate, estimate))
                for stem, part in score.stems.items():
                    if part.sdr is not None:
                        scores[way][stem].append(part.sdr)
        print(f"{name}: {mixture.shape[1] / rate:.1f} s", flush=True)
    print(f"{songs} songs; work relative to {BALANCED}:")
    for way in ways:
        print(f"  {way:14}{work[way] / work[BALANCED]:6.2f}")
    table("SDR, dB", {way: row for way, row in scores.items() if row})
    table(f"difference from {BALANCED}, dB", {way: row for way, row in distances.items() if way != BALANCED})


def read_songs(paths: list[Path], seconds: float) -> Iterator[tuple[str, np.ndarray, int, Multitrack | None]]:
    """Yield name, mixture (channels, samples), its sample rate in Hz, and the true stems if they are known."""
    for path in paths:
        if path.is_dir() or is_song(path):
            for name, song_path in find_songs(path).items():
                song = load(song_path)
                song = song.trimmed(int(min(seconds * song.sample_rate, song.samples)))
                yield name, song.mixture, song.sample_rate, song
        else:
            yield path.name, read(path, seconds), RATE, None


def table(title: str, rows: dict[str, dict[str, list[float]]]) -> None:
    """Print the means of each stem, a row for each way."""
    if not rows:
        return
    stems = display_order(next(iter(rows.values())))
    print(f"{title:30}" + "".join(f"{stem:>10}" for stem in stems))
    for way, row in rows.items():
        print(f"  {way:28}" + "".join(cell(row[stem]) for stem in stems))


def cell(values: list[float]) -> str:
    """Format the mean over the songs. Ignore differences below -200 dB: the stems are identical."""
    measured = [value for value in values if value > -200]
    return f"{format(mean(measured), '.2f') if measured else 'same':>10}"


if __name__ == "__main__":
    main()
