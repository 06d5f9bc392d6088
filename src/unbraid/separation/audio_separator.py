"""Segments and weights of audio-separator 0.47.1, for stems that equal its own up to rounding.

Unbraid's segments end inside the song, and their weights are triangles. audio-separator puts zeros around the song:

    MDX-Net   Half a window of the transform before the song. Estimates are weighted with a Hann window of the length of
              the segment, or equally if segments don't overlap. The end of the padded song cuts the last segments,
              whose windows are as short (`mdx_separator.py`, `demix`).
    MDX23C    So many zeros that each sample has the same number of estimates, which have equal weights
              (`mdxc_separator.py`, `demix`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.separation.overlap import Segment

# The first and the last sample of a Hann window are 0. This keeps the mean defined where no other segment has weight,
# and is lost in rounding everywhere else.
SMALLEST_WEIGHT = 1e-30

MDX23C_OVERLAP = 1 - 1 / 8
"""Eight estimates of each sample, unless the user asks for others."""


def plan_mdx(samples: int, length: int, overlap: float, before: int) -> Iterator[Segment]:
    """Plan the segments of an MDX-Net, whose transform has a window of `2 * before` samples."""
    stride = int((1 - overlap) * length)
    inner = length - 2 * before
    end = samples + inner + before - samples % inner
    return _plan(samples, length, stride, before, end)


def plan_mdx23c(samples: int, length: int, before: int) -> Iterator[Segment]:
    """Plan the segments of MDX23C, which overlap by `before` samples."""
    return _plan(samples, length, length - before, before, samples + length)


def _plan(samples: int, length: int, stride: int, before: int, end: int) -> Iterator[Segment]:
    """Plan segments from `-before` on that contribute to the song. `end`: end of the padded song."""
    for start in range(-before, samples, stride):
        yield Segment(start, min(length, end - start), start, length, min(start + stride, samples))


def hann_weights(samples: int) -> Floats:
    """Return a symmetric Hann window."""
    return np.maximum(np.hanning(samples), SMALLEST_WEIGHT).astype(np.float32)


def equal_weights(samples: int) -> Floats:
    """Return ones."""
    return np.ones(samples, np.float32)


def equal_parts(length: int, overlap: float) -> int | None:
    """Return the stride of MDX23C for this overlap; None unless it divides the segment into equal parts."""
    parts = round(1 / (1 - overlap))
    if abs(1 / parts - (1 - overlap)) > 1e-3 or length % parts:
        return None
    return length // parts
