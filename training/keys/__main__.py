"""Train the networks that read the chords and the key on scores of synthetic songs, without their sound.

    python -m training.keys --scores 702000:704000

Writes the weights to `src/unbraid/analysis/key_weights.npz`. The scores are of the split `train`, beyond the seeds that
trained `lite`. One in ten only measures. Takes 3 minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.keys.chords import fit_chords, read, score_example
from training.keys.examples import plain_examples
from unbraid.analysis.key import FEWEST_FRAMES
from unbraid.analysis.key_features import FEATURES, key_features
from unbraid.analysis.key_model import ARRAYS, WEIGHTS

HIDDEN = 32
EPOCHS, BATCH, RATE = 35, 128, 4e-3
DROPOUT, DECAY, SMOOTHING = 0.2, 0.1, 0.05
MEASURED = 10  # one song in so many


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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scores", default="702000:704000", metavar="FIRST:LAST", help="seeds")
    parser.add_argument("--plain", type=int, default=400, metavar="N", help="plain scales and cadences")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    first, last = map(int, options.scores.split(":"))
    examples = [*map(score_example, range(first, last)), *plain_examples(0, options.plain)]
    songs = [song for song in examples if len(song.frames) >= FEWEST_FRAMES]  # a few have almost no pitches
    left_out = torch.arange(len(songs)) % MEASURED == 0
    chords = fit_chords(song for song, out in zip(songs, left_out, strict=True) if not out)
    features = torch.from_numpy(
        np.stack([key_features(song.frames, read(chords, song.frames)) for song in songs]).astype(np.float32)
    )
    keys = torch.tensor([song.key for song in songs])
    network = fit(features[~left_out], keys[~left_out])
    right = ratings(network, features[left_out]).argmax(dim=1) == keys[left_out]
    save({"chords": chords, "keys": network}, options.out)
    sys.stdout.write(f"{right.float().mean():.1%} of {len(right)} scores that were left out are right\n")


if __name__ == "__main__":
    main()
