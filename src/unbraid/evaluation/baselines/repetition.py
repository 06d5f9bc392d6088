"""The accompaniment is what repeats: a soft mask from the moments of the song that resemble each moment most.

REPET-SIM of Rafii and Pardo, "Music/voice separation using the similarity matrix" (ISMIR 2012): for each frame of
the magnitude spectrogram the most similar frames by cosine, at least a second apart; their median, bin by bin, is
the repeating part. What exceeds it is the voice.
"""

from __future__ import annotations

import numpy as np

from unbraid.evaluation.baselines.masks import TINY, Spectrum, masked, split, wiener
from unbraid.evaluation.multitrack import Floats

NEIGHBOURS = 20  # at most; a median changes little with more
APART_S = 1.0  # between neighbours, as in the paper: a held note would resemble itself
LOWEST_HZ = 100.0  # no voice below, as in the paper
MARGIN = 2  # the repeating part counts double: neighbours always differ a little from the frame itself
BLOCK = 64  # frames at once; their similarities and neighbours are what memory holds


def repetition(mixture: Floats, sample_rate: int) -> dict[str, Floats]:
    """Vocals and the rest of a mixture (channels, samples)."""
    return split(mixture, "vocals", masked(mixture, sample_rate, _mask))


def _mask(spectrum: Spectrum, frequencies: Floats, frames_per_s: float) -> Floats:
    magnitude = np.ascontiguousarray(np.abs(spectrum).transpose(2, 0, 1))  # (frames, channels, bins)
    frames = len(magnitude)
    directions = magnitude.mean(axis=1)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True) + TINY
    mask = np.empty_like(magnitude)
    for start in range(0, frames, BLOCK):
        block = slice(start, min(start + BLOCK, frames))
        similarity = directions[block] @ directions.T
        chosen = nearest(similarity, start, round(APART_S * frames_per_s))
        repeating = np.minimum(np.median(magnitude[chosen], axis=1), magnitude[block])
        mask[block] = wiener(magnitude[block] - repeating, MARGIN * repeating)
    mask[..., frequencies < LOWEST_HZ] = 0
    return mask.transpose(1, 2, 0)


def nearest(similarity: Floats, start: int, apart: int) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
    """Indices (rows, neighbours) of the frames most similar to frames `start` and following, the best first.

    `similarity` (rows, frames) is used up. Neighbours are `apart` from one another and from the frame itself; there
    are fewer than NEIGHBOURS where the song is too short for them, and where it has none the frame itself is it.
    """
    rows, frames = similarity.shape
    row = np.arange(rows)
    around = np.arange(-apart, apart + 1)

    def take_out(chosen: np.ndarray[tuple[int], np.dtype[np.intp]]) -> None:
        columns = np.clip(chosen[:, None] + around, 0, frames - 1)
        similarity[row[:, None], columns] = -np.inf

    take_out(start + row)
    found: list[np.ndarray[tuple[int], np.dtype[np.intp]]] = []
    while len(found) < NEIGHBOURS:
        best = similarity.argmax(axis=1)
        if np.isneginf(similarity[row, best]).any():
            break
        found.append(best)
        take_out(best)
    return np.stack(found or [start + row], axis=1)
