"""One pass of a network over a song: where its segments are, and how their estimates are weighted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from unbraid.separation.audio_separator import equal_weights, hann_weights, plan_mdx, plan_mdx23c
from unbraid.separation.overlap import Context, Segment, Weights, Window, plan_segments, triangles

Chunks = Literal["own", "mdx", "mdx23c"]
"""The rule for segments and weights: Unbraid's, or that of audio-separator for one of two families."""


@dataclass(frozen=True, slots=True)
class Run:
    """Settings of one pass over the song. Lengths are in samples."""

    length: int
    overlap: float
    shift: int = 0
    """Zeros before the song."""
    context: Context = "around"
    """See `plan_segments`; audio-separator's segments have zeros around the song."""
    chunks: Chunks = "own"

    @property
    def weights(self) -> Weights:
        """The weights of estimates."""
        if self.chunks == "own":
            return triangles(self.length)
        return hann_weights if self.chunks == "mdx" and self.overlap else equal_weights

    def segments(self, samples: int) -> Iterator[Segment]:
        """Plan the segments of a song of `samples`."""
        if self.chunks == "mdx":
            return plan_mdx(samples, self.length, self.overlap, self.shift)
        if self.chunks == "mdx23c":
            return plan_mdx23c(samples, self.length, self.shift)
        return plan_segments(samples, self.length, self.overlap, self.shift, context=self.context)

    def segments_within(self, window: Window) -> Iterator[Segment]:
        """Plan the segments of the whole song that contribute to a window."""
        for segment in self.segments(window.samples):
            if segment.start < window.stop and segment.stop > window.start:
                yield segment
