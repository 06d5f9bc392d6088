"""Separation without training: what a trained model has to beat. Each is one function: mixture in, stems out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from unbraid.evaluation.baselines.centre import centre
from unbraid.evaluation.baselines.percussion import percussion
from unbraid.evaluation.baselines.repetition import repetition
from unbraid.evaluation.multitrack import Floats

BASELINES: Mapping[str, Callable[[Floats, int], dict[str, Floats]]] = {
    "centre": centre,
    "repetition": repetition,
    "percussion": percussion,
}
"""By name. Takes the mixture (channels, samples) and its rate in Hz, gives the stems it knows, of the same shape."""

__all__ = ["BASELINES"]
