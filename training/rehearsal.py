"""Write the clips that `lite` rehearses while it is taught: `python -m training.rehearsal --voices BANK`.

Each clip is from another song of the split "train". The package contains the clips, so only sounds whose licences let
everyone copy them are used: the songs have no recorded drum kit (CC BY-SA), and their voices are computed ones and
speech synthesisers with permissive licences. The result is one Opus file for each stem, with all clips one after
another (`unbraid.finetuning.rehearsal`). Equal seeds give equal clips.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from training.songs import sounds
from training.songs.render import STEMS, render
from training.sound import SAMPLE_RATE, Audio
from training.voices import VoiceBank
from training.voices.timbre import equalised
from training.voices.tract import computed_voices
from unbraid.audio.encode import Encoder
from unbraid.finetuning import rehearsal

FIRST_SEED = 30_000
TRIES = 10  # places in a song; the one with the loudest voice is taken
MORE_VOICES = 48  # computed ones, besides those of the training of `lite`
AUDIBLE = 1e-4  # mean square of a voice: -40 dB
INSTRUMENTAL = 6  # one of so many clips may be without a voice
# Voices by the beginnings of their names.
PERMISSIVE = ("tract-", "flite-", "festival-ked", "festival-msu_ru")
BITRATES = {"drums": 32_000, "bass": 16_000, "other": 28_000, "vocals": 24_000}


def clip(seed: int, bank: VoiceBank) -> dict[str, Audio]:
    """Render a song, and return (2, samples) of each stem where its voice is loud."""
    stems = render(seed, "train", bank).stems
    samples = rehearsal.CLIP_SAMPLES
    places = np.random.default_rng(seed).integers(len(stems["vocals"][0]) - samples, size=TRIES)
    start = max(places, key=lambda place: float(np.square(stems["vocals"][:, place : place + samples]).sum()))
    return {name: stem[:, start : start + samples] for name, stem in stems.items()}


def permissive(bank: VoiceBank) -> VoiceBank:
    """Return the voices that everyone may copy, and more computed ones."""
    more = map(equalised, computed_voices(16, MORE_VOICES))
    return VoiceBank([*(voice for voice in bank.voices if voice.name.startswith(PERMISSIVE)), *more])


def clips(bank: VoiceBank, count: int) -> Iterator[dict[str, Audio]]:
    """Yield clips, most of them with a voice."""
    found = 0
    for seed in itertools.count(FIRST_SEED):
        if found == count:
            return
        stems = clip(seed, bank)
        if found % INSTRUMENTAL == 0 or np.square(stems["vocals"]).mean() > AUDIBLE:
            found += 1
            yield stems


def write(folder: Path, written: Sequence[Mapping[str, Audio]]) -> None:
    """Write the clips, one after another, into one file for each stem."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem in STEMS:
        with Encoder(
            folder / f"{stem}.opus",
            sample_rate=SAMPLE_RATE,
            channels=2,
            format="opus",
            bitrate=BITRATES[stem],
        ) as encoder:
            for one in written:
                encoder.write(one[stem])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.rehearsal", description=__doc__)
    parser.add_argument("--voices", type=Path, help="folder of a voice bank (default: the cache folder)")
    parser.add_argument("--out", type=Path, default=rehearsal.FOLDER)
    parser.add_argument("--clips", type=int, default=120)
    options = parser.parse_args()
    bank = permissive(VoiceBank.load(options.voices))
    sounds.KITS["train"] = ()
    found = []
    for stems in clips(bank, options.clips):
        found.append(stems)
        sys.stdout.write(f"{len(found)}/{options.clips}\n")
        sys.stdout.flush()
    write(options.out, found)


if __name__ == "__main__":
    main()
