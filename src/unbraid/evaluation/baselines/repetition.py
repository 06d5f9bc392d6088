"""Extract the repeating accompaniment: compare each frame with the most similar frames of the song.

This is REPET-SIM of Rafii and Pardo, "Music/voice separation using the similarity matrix" (ISMIR 2012). For each
frame of the magnitude spectrogram, find the most similar frames by cosine, at least a second apart. Their median in
each bin is the repeating part; the excess is the voice.
"""

from __future__ import annotations

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.evaluation.baselines.masks import TINY, Spectrum, masked, split, wiener

NEIGHBOURS = 20  # largest number; more hardly change the median
APART_S = 1.0  # least distance of neighbours, as in the paper; closer frames would be in the same long note
LOWEST_HZ = 100.0  # below this there is no voice, as in the paper
MARGIN = 2  # weight of the repeating part: neighbours always differ a little from the frame
BLOCK = 64  # frames at a time; limits the memory for similarities and neighbours


def repetition(mixture: Floats, sample_rate: int) -> dict[str, Floats]:
    """Split a mixture (channels, samples) into vocals and accompaniment."""
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
    """Return the indices (rows, neighbours) of the frames most similar to the frames from `start` on, best first.

    `similarity` (rows, frames) is overwritten. Neighbours are more than `apart` frames from the frame and from each
    other. Short songs have fewer than NEIGHBOURS; a song without any uses the frame itself.
    """
    rows, frames = similarity.shape
    row = np.arange(rows)
    around = np.arange(-apart, apart + 1)

    def exclude(chosen: np.ndarray[tuple[int], np.dtype[np.intp]]) -> None:
        columns = np.clip(chosen[:, None] + around, 0, frames - 1)
        similarity[row[:, None], columns] = -np.inf

    exclude(start + row)
    neighbours: list[np.ndarray[tuple[int], np.dtype[np.intp]]] = []
    while len(neighbours) < NEIGHBOURS:
        best = similarity.argmax(axis=1)
        if np.isneginf(similarity[row, best]).any():
            break
        neighbours.append(best)
        exclude(best)
    return np.stack(neighbours or [start + row], axis=1)
