"""Calibrate the masks of a checkpoint: `python -m unbraid.training.calibrate CHECKPOINT --songs DIR`.

The loss punishes leakage into silent stems so strongly that the network gives a voice less than the optimal share. One
offset per stem, added to the mask before the softmax, corrects this. The offsets are searched on songs of the training
split (and on voices over its backings with `--backings`), so that the test split stays unseen. They are written into
the averaged weights of the checkpoint.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unbraid.models.lite import BAND, BANDS, SAMPLE_RATE
from unbraid.networks.checkpoint import averaged_network, load, write
from unbraid.networks.lite import SOURCES, Lite
from unbraid.training.dataset import Audio, SongPool, SoundPool
from unbraid.training.losses import error_energy
from unbraid.training.mixtures import Stems, Target
from unbraid.training.validate import voices_over_backings

SONGS = 32
CROP_S = 10
STEPS = (-0.5, -0.25, 0.25, 0.5)  # nepers; tried for each stem in turn until none improves the score
SILENT_DB = -40.0  # relative to the mixture; the SDR of softer stems is meaningless


def scores(masks: list[Tensor], targets: list[Target], offsets: Tensor) -> Tensor:
    """Mean SDR in dB of each stem over the crops in which it is audible, with offsets to the log masks."""
    values: list[list[float]] = [[] for _ in SOURCES]
    for mask, target in zip(masks, targets, strict=True):
        moved = torch.softmax(torch.log(mask + 1e-9) + offsets[:, None, None, None], 1)
        energy = error_energy(moved, target)
        parts = zip(energy.error[0], energy.reference[0], target.known[0], strict=True)
        for index, (error, reference, known) in enumerate(parts):
            if known and 10 * torch.log10(reference / energy.mixture[0, 0] + 1e-12) > SILENT_DB:
                values[index].append(float(10 * torch.log10(reference / error)))
    return torch.tensor([float(np.mean(part)) if part else 0.0 for part in values])


def song_crops(pool: SongPool) -> Iterator[Audio]:
    """Yield the stems of crops from the middle of the last songs."""
    samples = CROP_S * SAMPLE_RATE
    for song in range(max(0, len(pool.songs) - SONGS), len(pool.songs)):
        start = max(0, (len(pool.songs[song][0]) - samples) // 2)
        yield np.stack([pool.crop(song, source, start, samples) for source in range(len(SOURCES))])


@torch.no_grad()
def find_offsets(network: Lite, pool: SongPool, backings: SoundPool | None = None) -> Tensor:
    """Search one offset for each of `SOURCES`. The first is 0, because only differences have an effect."""
    crops = [(stems, False) for stems in song_crops(pool)]
    if backings is not None:
        crops += [(stems, True) for stems in voices_over_backings(pool, backings, None)]
    masks, targets = [], []
    for stems, backed in crops:
        deviation = stems.sum(0).std()
        if deviation < 1e-4:
            continue
        target = Stems(torch.from_numpy(stems / deviation)[None], np.array([backed])).mix()
        targets.append(target)
        masks.append(network.pooled_masks(target.spectrum))
    offsets = torch.zeros(len(SOURCES))
    best = scores(masks, targets, offsets).mean()
    improved = True
    while improved:
        improved = False
        for index in range(1, len(SOURCES)):
            for step in STEPS:
                trial = offsets.clone()
                trial[index] += step
                score = scores(masks, targets, trial).mean()
                if score > best + 0.005:
                    offsets, best, improved = trial, score, True
    return offsets


def apply_offsets(state: dict[str, Tensor], offsets: Tensor) -> None:
    """Add the offsets to the bias of the mask layer in a network's `state`, in place."""
    state["masks.bias"].view(BANDS, len(SOURCES), 2, BAND).add_(offsets[:, None, None])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m unbraid.training.calibrate", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument(
        "--backings", type=Path, help="folder of music without vocals, from `training.backings`"
    )
    args = parser.parse_args()
    backings = None if args.backings is None else SoundPool(args.backings, "train")
    offsets = find_offsets(averaged_network(args.checkpoint), SongPool(args.songs, "train"), backings)
    content = load(args.checkpoint)
    apply_offsets(content["average"], offsets)
    write(args.checkpoint, content)
    for source, offset in zip(SOURCES, offsets.tolist(), strict=True):
        print(f"{source:8} {offset:+.2f}")  # noqa: T201 - the output of the command


if __name__ == "__main__":
    main()
