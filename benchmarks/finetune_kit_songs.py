"""Write songs for `benchmarks/finetune_kit.py`: one drum kit in many songs, as the stems kick, snare and rest.

    python benchmarks/finetune_kit_songs.py runs/kit

The folder `own` has songs of 30 minutes to learn from, and `new` other songs of the same kit. The kit is made of sounds
of the split "test", which no song of `lite` has. Patterns, tempo, loudness of each stroke, balance and mastering
change from song to song; the kit and its room stay, as in one studio. Equal seeds give equal songs. It needs the
packages of training/requirements.txt, and of docs/training.md timgm6mb-soundfont and sonic-pi-samples.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from training.songs import effects, mastering
from training.songs.drum_kits import KINDS, Drum, make_kit, render_hits
from training.songs.drum_patterns import write_drums
from training.songs.form import make_plan
from training.songs.score import Hit, gain
from training.sound import SAMPLE_RATE, Audio
from unbraid.audio.encode import Encoder
from unbraid.files.atomic import atomic_folder

OWN_MIN = 30.0
NEW = 8  # songs
STEMS = {"kick": ("kick",), "snare": ("snare", "rim", "brush"), "rest": ()}
"""Drums of each stem; the rest has all others."""
KIT = 1  # seed
# Without it, cymbals and toms have 11 to 21 dB less energy than kick and snare.
GAIN_DB = {"kick": 0.0, "snare": 0.0, "rest": 8.0}
BALANCE_DB = 2.0  # standard deviation of the level of each stem from song to song
ROOM_DB = -14.0  # level of the room: audible in each microphone


def stem_of(kind: str) -> str:
    """Return the stem that has a kind of drum."""
    return next((stem for stem, kinds in STEMS.items() if kind in kinds), "rest")


def compose(seed: int) -> tuple[list[Hit], int]:
    """Compose a song in which each stem plays. Return its hits and its length in samples."""
    rng = np.random.default_rng([seed, 21])
    while True:
        plan = make_plan(rng)
        hits = write_drums(rng, plan)
        if plan.genre.kits.get("acoustic") and {stem_of(hit.kind) for hit in hits} == set(STEMS):
            return hits, int(plan.seconds * SAMPLE_RATE)


def render(seed: int, kit: dict[str, Drum], room: Audio) -> dict[str, Audio]:
    """Render a song: each stem (2, samples)."""
    rng = np.random.default_rng([seed, 22])
    hits, total = compose(seed)
    stems = {stem: np.zeros((2, total), np.float32) for stem in STEMS}
    for kind, track in render_hits(rng, kit, hits, total).items():
        stems[stem_of(kind)] += track
    for stem, dry in stems.items():
        wet = dry + gain(ROOM_DB) * effects.convolved(dry, room)
        stems[stem] = wet * gain(GAIN_DB[stem] + BALANCE_DB * float(rng.standard_normal()))
    return mastering.master(rng, stems)


def write(folder: Path, stems: dict[str, Audio]) -> None:
    """Write a song as WAV files."""
    with atomic_folder(folder) as new:
        for name, stem in stems.items():
            with Encoder(new / f"{name}.wav", sample_rate=SAMPLE_RATE, channels=2) as encoder:
                encoder.write(stem)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python benchmarks/finetune_kit_songs.py", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    rng = np.random.default_rng(KIT)
    kit = make_kit(rng, set(KINDS) - {"bell"}, "acoustic", "test")  # no pattern has a bell
    room = effects.impulse_response(rng, 0.4, 0.5, 10)
    minutes, seed = 0.0, 0
    while minutes < OWN_MIN:
        stems = render(seed, kit, room)
        write(folder / "own" / f"song-{seed}", stems)
        minutes += stems["kick"].shape[1] / SAMPLE_RATE / 60
        seed += 1
    for seed in range(10_000, 10_000 + NEW):
        write(folder / "new" / f"song-{seed}", render(seed, kit, room))


if __name__ == "__main__":
    main()
