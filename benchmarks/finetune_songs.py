"""Write the songs for `benchmarks/finetune.py`: songs with one unusual voice, and other songs to compare with.

    python benchmarks/finetune_songs.py runs/finetune

The folders `own` (to learn from), `new` (the same voice, other songs) and `old` (other voices, those that `lite` is
scored on) each have WAV files by song. It needs the packages of training/requirements.txt and espeak-ng
(docs/training.md). Equal seeds give equal songs.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from training.songs.render import STEMS, render
from training.sound import SAMPLE_RATE, Split
from training.voices import VoiceBank
from training.voices.build import build_voice
from training.voices.speakers import Speaker
from unbraid.audio.encode import Encoder
from unbraid.files.atomic import atomic_folder

# A voice that no song of `lite` has. It is not equalised to the average of pop vocals, unlike those.
UNUSUAL = Speaker("espeak-ng", "en-us+croak", "en")
OWN, NEW, OLD = 10, 5, 8  # songs


def with_vocals(split: Split, first: int, count: int, bank: VoiceBank, folder: Path) -> None:
    """Write the first `count` songs with vocals, from the seed `first` on. Keep existing ones."""
    seed = first
    while count:
        song = folder / f"{split}-{seed}"
        if song.exists():
            count -= 1
        else:
            stems = render(seed, split, bank).stems
            if stems["vocals"].any():
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
    with_vocals("train", 5000, OWN, bank, arguments.folder / "own")
    with_vocals("test", 5000, NEW, bank, arguments.folder / "new")
    others = VoiceBank.computed() if arguments.voices is None else VoiceBank.load(arguments.voices)
    with_vocals("test", 100, OLD, others, arguments.folder / "old")


if __name__ == "__main__":
    main()
