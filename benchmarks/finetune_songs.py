"""Write the songs for `benchmarks/finetune.py`: songs with one unusual voice, and other songs to compare with.

    python benchmarks/finetune_songs.py runs/finetune

The folders `own` (to learn from), `more` (other songs of the same voice), `new` (the same voice, and instruments that
no song of `own` has) and `old` (other voices, songs that `lite` is scored on) each have WAV files by song. It needs the
packages of training/requirements.txt and espeak-ng (docs/training.md). Equal seeds give equal songs.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from training.songs.render import STEMS, render
from training.sound import SAMPLE_RATE, Audio, Split
from training.voices import VoiceBank
from training.voices.build import build_voice
from training.voices.speakers import Speaker
from unbraid.audio.encode import Encoder
from unbraid.files.atomic import atomic_folder

# A voice that no song of `lite` has. It is not equalised to the average of pop vocals, unlike those. It sings through
# an overdrive and a ring modulator, so models take much of it for an instrument.
UNUSUAL = Speaker("espeak-ng", "en-us+croak", "en")
DRIVE_DB, RING_HZ = 12.0, 311.0
OWN, MORE, NEW, OLD = 10, 5, 5, 8  # songs
LONGER = 5.0  # the songs to learn from have the length of usual ones: 2:30 to 3:40 instead of 30 to 48 s


def through_pedals(voice: Audio) -> Audio:
    """Overdrive a voice (2, samples), multiply it with a tone, and restore its level."""
    heard = voice[np.abs(voice) > 1e-4]
    driven = np.tanh(voice * (10 ** (DRIVE_DB / 20) / level(heard)))
    rung = driven * np.sin(2 * np.pi * RING_HZ / SAMPLE_RATE * np.arange(voice.shape[1]))
    return (rung * (level(voice) / level(rung))).astype(np.float32)


def level(sound: Audio) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def with_vocals(
    split: Split,
    first: int,
    count: int,
    bank: VoiceBank,
    folder: Path,
    *,
    longer: float = 1.0,
    effect: Callable[[Audio], Audio] = lambda voice: voice,
) -> None:
    """Write the first `count` songs with vocals, from the seed `first` on. Keep existing ones."""
    seed = first
    while count:
        song = folder / f"{split}-{seed}"
        if song.exists():
            count -= 1
        else:
            stems = render(seed, split, bank, longer=longer).stems
            if stems["vocals"].any():
                stems["vocals"] = effect(stems["vocals"])
                with atomic_folder(song) as new:
                    for name in STEMS:
                        with Encoder(new / f"{name}.wav", sample_rate=SAMPLE_RATE, channels=2) as encoder:
                            encoder.write(stems[name])
                count -= 1
        seed += 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python benchmarks/finetune_songs.py", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--voices", type=Path, help="bank of the other voices, from `training.voices build`")
    arguments = parser.parse_args()
    voice = build_voice(UNUSUAL)
    if voice is None:
        parser.error("espeak-ng is missing. Install it: sudo apt install espeak-ng")
    bank = VoiceBank([replace(voice, split="train"), replace(voice, name="again", split="test")])
    with_vocals("train", 5000, OWN, bank, arguments.folder / "own", longer=LONGER, effect=through_pedals)
    with_vocals("train", 6000, MORE, bank, arguments.folder / "more", effect=through_pedals)
    with_vocals("test", 5000, NEW, bank, arguments.folder / "new", effect=through_pedals)
    others = VoiceBank.computed() if arguments.voices is None else VoiceBank.load(arguments.voices)
    with_vocals("test", 100, OLD, others, arguments.folder / "old")


if __name__ == "__main__":
    main()
