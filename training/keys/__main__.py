"""Train the estimator of the key on scores of synthetic songs, without their sound.

    python -m training.keys --scores 700000:706000

Writes the weights to `src/unbraid/analysis/key_weights.npz`. The scores are of the split `train`, beyond the seeds that
trained `lite`. One in ten only measures. Takes 5 minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.keys.examples import plain_examples
from training.keys.notes import score_frames
from unbraid.analysis.key_features import FEATURES, key_features
from unbraid.analysis.key_model import WEIGHTS

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


def save(network: nn.Sequential, path: Path) -> None:
    """Write the weights as `unbraid.analysis.key_model` reads them."""
    first, last = network[0], network[-1]
    assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
    arrays = {"first": first.weight.T, "offset": first.bias, "second": last.weight.T, "last": last.bias}
    rounded: dict[str, Any] = {
        name: array.detach().numpy().astype(np.float16) for name, array in arrays.items()
    }
    with path.open("wb") as file:
        np.savez_compressed(file, **rounded)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scores", default="700000:706000", metavar="FIRST:LAST", help="seeds")
    parser.add_argument("--plain", type=int, default=800, metavar="N", help="plain scales and cadences")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    first, last = map(int, options.scores.split(":"))
    songs = [*map(score_frames, range(first, last)), *plain_examples(0, options.plain)]
    features = torch.from_numpy(np.stack([key_features(frames) for frames, _, _ in songs]).astype(np.float32))
    keys = torch.tensor([tonic + 12 * minor for _, tonic, minor in songs])
    left_out = torch.arange(len(keys)) % MEASURED == 0
    network = fit(features[~left_out], keys[~left_out])
    right = ratings(network, features[left_out]).argmax(dim=1) == keys[left_out]
    save(network, options.out)
    sys.stdout.write(f"{right.float().mean():.1%} of {len(right)} scores that were left out are right\n")


if __name__ == "__main__":
    main()
