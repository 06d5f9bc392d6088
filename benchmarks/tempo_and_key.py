"""Count how often tempo and key of synthetic songs are found, from their true stems and from separated ones.

    python benchmarks/tempo_and_key.py --seeds 0:60 [--split test] [--model spleeter] [--songs DIR]

Songs are rendered with `training.songs` into DIR unless they are there.

- A tempo is right within 1 % of the mean tempo of the score, or of an octave of it. In 6/8, it may also be that of the
  dotted quarter.
- A key is right if tonic and third are: major for mixolydian; minor for dorian, phrygian and harmonic minor.
- A key is clear if the same profiles find it in the exact notes of the chords and the bass. Most other songs dwell on
  another chord than the tonic.
- A beat is right within 70 ms of a beat of the score, or of half a beat if the tempo is double.

Fails if fewer than 90 % of the tempi or 80 % of the keys are right.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from training.songs.form import Plan
from training.songs.render import STEMS, compose
from training.songs.writing import write_song
from unbraid import Separator
from unbraid.analysis import Music, analyse_stems
from unbraid.analysis.key import Key, best_key
from unbraid.audio.decode import decode_all

MINOR = ("minor", "dorian", "harmonic", "phrygian")
LEAST_TEMPO, LEAST_KEY = 0.9, 0.8
NEAR_S = 0.07  # as in evaluations of beat trackers (MIREX)


@dataclass
class Count:
    """How many songs were right."""

    songs: int = 0
    tempo: int = 0
    key: int = 0
    shown: int = 0
    shown_and_right: int = 0
    beats: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    seconds: float = 0.0

    def add(self, plan: Plan, music: Music) -> str:
        """Count one song, and describe it."""
        tempo, key = tempo_is_right(plan, music.bpm), music.key == key_of(plan)
        self.songs, self.tempo, self.key = self.songs + 1, self.tempo + tempo, self.key + key
        shown = score_shows_key(plan)
        self.shown, self.shown_and_right = self.shown + shown, self.shown_and_right + (shown and key)
        if tempo:
            self.beats.append(share_of_right_beats(plan, music))
        verdict = "right" if key else "WRONG" if shown else "unclear"
        return (
            f"{mean_tempo(plan):6.1f} BPM: {music.bpm or 'none':>6} {'right' if tempo else 'WRONG'}   "
            f"{key_of(plan):9}: {music.key or 'none':9} {verdict}   {plan.name}, {plan.meter}"
        )

    def __str__(self) -> str:
        return (
            f"tempo {self.tempo} of {self.songs} ({self.tempo / self.songs:.0%}), key {self.key} of {self.songs} "
            f"({self.key / self.songs:.0%}), of clear ones {self.shown_and_right} of {self.shown} "
            f"({self.shown_and_right / max(1, self.shown):.0%}), beats {np.mean(self.beats or [0]):.0%}, "
            f"{1000 * self.cpu_s / self.seconds:.1f} ms of CPU for a second of song"
        )


def mean_tempo(plan: Plan) -> float:
    """Quarter notes per minute, on average."""
    return 60 * plan.quarters / plan.clock.seconds(plan.quarters)


def tempo_is_right(plan: Plan, bpm: float | None) -> bool:
    beats = [mean_tempo(plan)] + ([mean_tempo(plan) / 1.5] if plan.meter == "6/8" else [])
    octaves = [2.0**octave * beat for beat in beats for octave in (-2, -1, 0, 1, 2)]
    return bpm is not None and any(abs(bpm / octave - 1) < 0.01 for octave in octaves)


def key_of(plan: Plan) -> str:
    return Key(plan.key.tonic, plan.key.mode in MINOR).name


def score_shows_key(plan: Plan) -> bool:
    harmony, bass = np.zeros(12), np.zeros(12)
    for span in plan.spans:
        harmony[list(span.chord.pitch_classes())] += span.length
        bass[span.chord.bass] += span.length
    return best_key(harmony, bass).name == key_of(plan)


def share_of_right_beats(plan: Plan, music: Music) -> float:
    quarters = 1.5 if plan.meter == "6/8" else 1.0
    step = quarters / 2 if (music.bpm or 0) > 1.4 * mean_tempo(plan) / quarters else quarters
    true = np.array([plan.clock.seconds(one) for one in np.arange(0, plan.quarters, step)])
    nearest = np.abs(music.beats[:, None] - true).min(axis=1)
    return float(np.mean(nearest < NEAR_S))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0:60", metavar="FIRST:LAST")
    parser.add_argument("--split", choices=("train", "test"), default="test")
    parser.add_argument("--songs", type=Path, help="folder of the songs (default: a temporary one)")
    parser.add_argument(
        "--model", action="append", default=[], help="also separate the songs with this model"
    )
    parser.add_argument("--stems", default="all", help="stems of the separation (default: all)")
    options = parser.parse_args()
    first, last = map(int, options.seeds.split(":"))
    separators = {name: Separator(name, for_stems=options.stems) for name in options.model}
    counts = {name: Count() for name in ("true stems", *separators)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.songs or Path(temporary)
        for seed in range(first, last):
            write_song(seed, options.split, folder, wav=True)
            song = folder / f"{options.split}-{seed}"
            stems, rate = {}, 0
            for name in STEMS:
                stems[name], decoder = decode_all(song / f"{name}.wav", None)
                rate = decoder.sample_rate
            plan = compose(seed, options.split).plan
            for name, count in counts.items():
                heard = stems
                if name in separators:
                    choice = None if options.stems == "all" else options.stems
                    heard = dict(
                        separators[name].separate(np.sum(list(stems.values()), axis=0), rate, stems=choice)
                    )
                started = time.process_time()
                music = analyse_stems(heard, rate)
                count.cpu_s += time.process_time() - started
                count.seconds += stems["drums"].shape[1] / rate
                print(f"{song.name:10} {name:10} {count.add(plan, music)}", flush=True)
    reached = True
    for name, count in counts.items():
        print(f"{name}: {count}")
        reached &= count.tempo >= LEAST_TEMPO * count.songs
        reached &= count.key >= LEAST_KEY * count.songs
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
