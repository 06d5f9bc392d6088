"""Separation without training, for comparison: a trained model should score higher than these."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from unbraid.audio.arrays import Floats
from unbraid.evaluation.baselines.centre import centre
from unbraid.evaluation.baselines.percussion import percussion
from unbraid.evaluation.baselines.repetition import repetition

BASELINES: Mapping[str, Callable[[Floats, int], dict[str, Floats]]] = {
    "centre": centre,
    "repetition": repetition,
    "percussion": percussion,
}
"""Functions by name. Each maps a mixture (channels, samples) and its rate in Hz to stems of the same shape."""

__all__ = ["BASELINES"]
