"""Call the callback of `demucs.api` from progress reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from unbraid.separation import Progress

Callback = Callable[[dict[str, Any]], object]


class SegmentCalls:
    """Calls `callback` at the start and the end of each segment, in the order of demucs.

    demucs computes one network after another, and one shift after another. Unbraid computes the segments of all shifts
    together, so the calls follow the share of the work that is done instead of single segments. Each call passes a new
    dict with these keys, after those of `extra`: `model_idx_in_bag`, `shift_idx`, `segment_offset` and `audio_length`
    (samples), `models`, and `state` ("start" or "end").
    """

    def __init__(
        self,
        callback: Callback,
        extra: Mapping[str, Any] | None,
        *,
        samples: int,
        stride: int,
        shifts: int,
        models: int,
    ) -> None:
        self._callback, self._extra = callback, dict(extra or {})
        self._samples, self._stride, self._models = samples, stride, models
        self._shifts = max(1, shifts)
        self._segments = math.ceil(samples / stride)  # of one network and one shift
        self._total = models * self._shifts * self._segments
        self._done: int | None = None
        """Number of segments that have ended; None before the first call."""

    def report(self, progress: Progress) -> None:
        """Make the calls that are due. Exceptions of the callback end the separation."""
        if progress.stage != "separating" or not progress.seconds_total:
            return
        due = math.floor(self._total * progress.seconds_done / progress.seconds_total)
        if self._done is None:
            self._done = 0
            self._call(0, "start")
        while self._done < due:
            self._call(self._done, "end")
            self._done += 1
            if self._done < self._total:
                self._call(self._done, "start")

    def _call(self, number: int, state: str) -> None:
        run, segment = divmod(number, self._segments)
        model, shift = divmod(run, self._shifts)
        self._callback(
            {
                **self._extra,
                "audio_length": self._samples,
                "model_idx_in_bag": model,
                "shift_idx": shift,
                "segment_offset": segment * self._stride,
                "models": self._models,
                "state": state,
            }
        )
