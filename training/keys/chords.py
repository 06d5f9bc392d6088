"""Train the network that reads chords, on the chords of the scores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.keys.notes import Doubles, Example, hear_score
from training.songs.form import Plan
from training.songs.harmony import Chord
from training.sound import Split
from unbraid.analysis.chords import INPUTS, QUALITIES, ROOTS, chord_inputs

HIDDEN = 32
EPOCHS, BATCH, RATE, DECAY = 5, 256, 5e-3, 0.01
_STEP = 8  # one frame in so many: neighbours are much alike


def quality_of(chord: Chord) -> int:
    """Return the place of the chord's kind in QUALITIES."""
    steps = {interval % 12 for interval in chord.intervals}
    if 4 in steps:
        return 1 if 10 in steps else 0
    if 3 in steps:
        return 2 if 7 in steps else 3
    return 4


def chords_at(plan: Plan, times_s: Doubles) -> NDArray[np.intp]:
    """Return the number of the chord at each time: its root times the number of QUALITIES, plus its quality."""
    ends = np.array([plan.clock.seconds(span.end) for span in plan.spans])
    numbers = np.array([span.chord.root * len(QUALITIES) + quality_of(span.chord) for span in plan.spans])
    return np.asarray(numbers[np.minimum(np.searchsorted(ends, times_s, side="right"), len(ends) - 1)])


def score_example(seed: int, split: Split = "train") -> Example:
    """Return the pitches, the key and the chords of a song, from its score."""
    example, plan = hear_score(seed, split)
    return replace(example, chords=chords_at(plan, example.times_s))


def fit_chords(songs: Iterable[Example], epochs: int = EPOCHS) -> nn.Sequential:
    """Train the network on songs whose chords are known."""
    torch.manual_seed(0)
    known = [
        (chord_inputs(song.frames)[::_STEP], song.chords[::_STEP])
        for song in songs
        if song.chords is not None
    ]
    inputs = torch.from_numpy(np.concatenate([inputs for inputs, _ in known]))
    chords = torch.from_numpy(np.concatenate([chords for _, chords in known]).astype(np.int64))
    roots = torch.from_numpy(ROOTS)
    network = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, len(QUALITIES)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    batches = max(1, len(chords) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * batches)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(chords))[: batches * BATCH], BATCH):
            rated: Tensor = network(inputs[chosen][:, roots]).flatten(1)
            loss = nn.functional.cross_entropy(rated, chords[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return network.eval()


def read(network: nn.Sequential, frames: Doubles) -> NDArray[np.float32]:
    """Return the probability of each chord, as `unbraid.analysis.chords.read_chords` does."""
    with torch.no_grad():
        rated: Tensor = network(torch.from_numpy(chord_inputs(frames)[:, ROOTS])).flatten(1)
        shares = torch.softmax(rated, dim=1)
    return np.asarray(shares.numpy().reshape(-1, 12, len(QUALITIES)))
