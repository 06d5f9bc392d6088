"""Score a network during training, on fixed parts of the songs that are held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from unbraid.audio.arrays import Floats
from unbraid.evaluation.multitrack import Multitrack
from unbraid.evaluation.sdr import sdr
from unbraid.training.objective import Objective
from unbraid.training.validate import SILENT_DB

CROP = 511 * 1024  # samples; 512 frames, which suits every network that estimates masks
CROPS = 12


class Scoring:
    """Parts of songs, spread evenly over them: CROPS, or fewer if they would overlap. Silent parts are left out."""

    def __init__(self, songs: Sequence[Multitrack], objective: Objective) -> None:
        self.objective = objective
        length = min(CROP, objective.longest or CROP)
        self.names = tuple(songs[0].stems)
        self.crops: list[Floats] = []
        for song in songs:
            each = max(1, min(round(CROPS / len(songs)), song.samples // length))
            stems = np.stack([song.stems[name] for name in self.names])
            for number in range(each):
                start = number * length + int((number + 0.5) / each * max(0, song.samples - each * length))
                part = stems[..., start : start + length]
                if _level_db(part.sum(0)) > SILENT_DB:
                    self.crops.append(part)

    def scores(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Mean SDR in dB of each stem over the parts in which it is audible. `mean` is their mean."""
        found: dict[str, list[float]] = {name: [] for name in self.names}
        for stems in self.crops:
            estimate = self.objective.separate(network, stems.sum(0), device)
            for name, stem, one in zip(self.names, stems, estimate, strict=True):
                if _level_db(stem) > SILENT_DB:
                    found[name].append(sdr(stem, one))
        scores = {name: float(np.mean(values)) for name, values in found.items() if values}
        scores["mean"] = float(np.mean(list(scores.values()))) if scores else 0.0
        return {name: round(value, 3) for name, value in scores.items()}


def _level_db(sound: Floats) -> float:
    return 10 * float(np.log10(np.mean(np.square(sound)) + 1e-12))
