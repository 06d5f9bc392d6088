"""Train the networks that read the chords and the key.

    python -m training.keys

The network of chords learns from scores, and from songs with sound. The network of keys learns from scores, from
collages of the songs with sound, and from plain scales and cadences. Songs are of the split `train`, beyond the seeds
that trained `lite`. One score in ten only measures. Writes the weights to `src/unbraid/analysis/key_weights.npz`. Takes
ten minutes on one core, six of them to render the sound.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.keys.chords import fit_chords, read, score_example
from training.keys.collages import Cuts, make_collage
from training.keys.examples import plain_examples
from training.keys.notes import Example
from training.keys.sound import sound_example
from unbraid.analysis.key import FEWEST_FRAMES
from unbraid.analysis.key_features import FEATURES, key_features
from unbraid.analysis.key_model import ARRAYS, WEIGHTS

HIDDEN = 32
EPOCHS, BATCH, RATE = 30, 128, 4e-3
DROPOUT, DECAY, SMOOTHING = 0.2, 0.1, 0.05
MEASURED = 10  # one score in so many
SOUND_COUNTS = 6  # times as much as a score: there are fewer songs with sound


def fit(features: Tensor, keys: Tensor, epochs: int = EPOCHS) -> nn.Sequential:
    """Train the network on features (songs, 12, FEATURES) and keys (songs,): tonic, plus 12 for minor."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, 2))
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    batches = max(1, len(keys) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * batches)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(keys))[: batches * BATCH], BATCH):
            loss = nn.functional.cross_entropy(
                ratings(network, features[chosen]), keys[chosen], label_smoothing=SMOOTHING
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return network.eval()


def ratings(network: nn.Sequential, features: Tensor) -> Tensor:
    """Return the ratings of the keys, (songs, 24): major, then minor."""
    rated: Tensor = network(features)
    return rated.transpose(1, 2).reshape(-1, 24)


def save(networks: Mapping[str, nn.Sequential], path: Path) -> None:
    """Write the weights of the networks `chords` and `keys` as `unbraid.analysis.key_model` reads them."""
    rounded: dict[str, Any] = {}
    for name, network in networks.items():
        first, last = network[0], network[-1]
        assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
        for part, array in zip(ARRAYS, (first.weight.T, first.bias, last.weight.T, last.bias), strict=True):
            rounded[f"{name}_{part}"] = array.detach().numpy().astype(np.float16)
    with path.open("wb") as file:
        np.savez_compressed(file, **rounded)


def seeds(text: str) -> range:
    """Parse FIRST:LAST or FIRST:LAST:STEP."""
    return range(*map(int, text.split(":")))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scores", type=seeds, default="700000:702000", metavar="FIRST:LAST", help="seeds")
    parser.add_argument(
        "--sounds", type=seeds, default="900000:900340:2", metavar="FIRST:LAST:STEP", help="seeds with sound"
    )
    parser.add_argument("--collages", type=int, default=3500, metavar="N", help="songs made of these sounds")
    parser.add_argument("--plain", type=int, default=150, metavar="N", help="plain scales and cadences")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    scores, sounds = map(score_example, options.scores), list(map(sound_example, options.sounds))
    cuts = Cuts(sounds)
    collages = [make_collage(options.scores.stop + seed, cuts) for seed in range(options.collages)]
    networks, right = train(usable(scores), sounds, [*collages, *plain_examples(0, options.plain)])
    save(networks, options.out)
    sys.stdout.write(f"{np.mean(right):.1%} of {len(right)} scores that were left out are right\n")


def usable(examples: Iterable[Example]) -> list[Example]:
    """Leave out the few songs that have almost no pitches."""
    return [song for song in examples if len(song.frames) >= FEWEST_FRAMES]


def train(
    scores: Sequence[Example], sounds: Sequence[Example], more: Iterable[Example]
) -> tuple[dict[str, nn.Sequential], list[bool]]:
    """Train both networks: chords on scores and sounds, keys on scores and `more`.

    Returns the networks, and whether the key of each score that was left out is right.
    """
    learned = [song for number, song in enumerate(scores) if number % MEASURED]
    left_out = list(scores[::MEASURED])
    chords = fit_chords([*learned, *SOUND_COUNTS * list(sounds)])
    songs = [*learned, *usable(more)]
    network = fit(features_of(chords, songs), torch.tensor([song.key for song in songs]))
    found = ratings(network, features_of(chords, left_out)).argmax(dim=1)
    right = [int(key) == song.key for key, song in zip(found, left_out, strict=True)]
    return {"chords": chords, "keys": network}, right


def features_of(chords: nn.Sequential, songs: Iterable[Example]) -> Tensor:
    """Return the features of the keys, (songs, 12, FEATURES)."""
    rows = [key_features(song.frames, read(chords, song.frames)).astype(np.float32) for song in songs]
    return torch.from_numpy(np.stack(rows))


if __name__ == "__main__":
    main()
