"""Make vocal takes to mix with backings in training: `python -m training.takes DIR --voices BANK`.

Spoken takes are lines of recorded people. Sung takes are melodies, sung by the voices of the bank (`python -m
training.voices record` makes a bank of the same people). All takes get studio effects. A take is `DIR/SPLIT-NAME.npy`:
int16 (samples, 2) at 44.1 kHz. Existing takes are kept.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr

from training.packages import SoundFile
from training.songs.form import Plan, make_plan
from training.songs.render import bank_from
from training.songs.vocals import process_voice, render_vocals, write_vocals
from training.sound import SAMPLE_RATE, SPLIT_SEED, Audio, Split, add_at, as_int16, save_int16
from training.voices.part import panned
from training.voices.recordings import RECORDED_SPEAKERS, clips, spoken
from training.voices.sing import levelled

SPOKEN_S = 40.0
SPOKEN_EACH = 2  # takes per recorded speaker


def _sung_plan(rng: np.random.Generator) -> Plan:
    while (plan := make_plan(rng)).vocals == "none":
        pass
    return plan


def sung_take(seed: int, split: Split, voices: Path) -> Audio:
    """Render the vocals of a song with this seed: (2, samples)."""
    rng = np.random.default_rng([seed, SPLIT_SEED[split], 31])
    plan = _sung_plan(rng)
    notes, _ = write_vocals(rng, plan)
    sound, _ = render_vocals(rng, plan, notes, int(plan.seconds * SAMPLE_RATE), split, bank_from(voices))
    return sound


def spoken_take(files: list[SoundFile], rng: np.random.Generator) -> Audio:
    """Join lines with short rests between them: (2, samples)."""
    dry = np.zeros(int(SPOKEN_S * SAMPLE_RATE), np.float32)
    at_s = 0.0
    # A change of speed moves pitch and formants too, so that it sounds like another person.
    pace = 2 ** float(rng.normal(0, 0.12))
    for sound, rate in spoken(files, rng):
        line = soxr.resample(sound, rate * pace, SAMPLE_RATE).astype(np.float32)
        add_at(dry, levelled(line), int(at_s * SAMPLE_RATE))
        at_s += len(line) / SAMPLE_RATE + float(rng.exponential(0.15))
        if at_s >= SPOKEN_S:
            break
    return process_voice(rng, _sung_plan(rng), panned(dry, float(rng.uniform(-0.1, 0.1))), lead=True)


def takes(out: Path, packages: Path, voices: Path, split: Split, seeds: range) -> Iterator[Path]:
    """Write the missing takes, and yield their paths."""
    speakers = [speaker for speaker in RECORDED_SPEAKERS if speaker.split == split]
    names = {
        speaker: [f"spoken-{speaker.name}-{number}" for number in range(SPOKEN_EACH)] for speaker in speakers
    }
    speakers = [s for s in speakers if not all((out / f"{split}-{name}.npy").exists() for name in names[s])]
    for speaker, files in clips(speakers, packages):
        for number, name in enumerate(names[speaker]):
            rng = np.random.default_rng([number, *map(ord, speaker.name)])
            if files and not (out / f"{split}-{name}.npy").exists():
                yield _write(out / f"{split}-{name}.npy", spoken_take(files, rng))
    for seed in seeds:
        if not (path := out / f"{split}-sung-{seed}.npy").exists():
            sound = sung_take(seed, split, voices)
            if sound.any():
                yield _write(path, sound)


def _write(path: Path, sound: Audio) -> Path:
    save_int16(path, as_int16(sound * np.float32(0.5 / max(float(np.abs(sound).max()), 1e-6))))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.takes", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--voices", type=Path, required=True, help="folder of a voice bank")
    parser.add_argument(
        "--packages", type=Path, help="folder for downloaded packages (default: OUT/packages)"
    )
    parser.add_argument("--split", choices=("train", "test"), default="train")
    parser.add_argument("--seeds", type=int, default=150, help="number of sung takes (default 150)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    packages = options.packages or options.out / "packages"
    for path in takes(options.out, packages, options.voices, options.split, range(options.seeds)):
        sys.stdout.write(f"{path}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
