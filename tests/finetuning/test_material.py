"""The songs of a run, as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from unbraid.finetuning.material import Tracks, shares


def test_shares_are_those_of_the_energy_of_a_mean_song() -> None:
    def stem(level: float, samples: int = 4000) -> np.ndarray:
        return np.full((samples, 2), level, np.float16)

    loud = Tracks("loud", {"voice": stem(0.1), "bass": stem(0.2), "drums": stem(0.2)})
    voice_only = Tracks("alone", {"voice": stem(0.01, 2000), "bass": stem(0.0, 1000), "drums": stem(0.0)})
    silent = Tracks("silent", {name: stem(0.0) for name in ("voice", "bass", "drums")})
    targets = {"voice": ["voice"], "rest": ["bass", "drums"]}
    found = shares([loud, voice_only, silent], targets)
    assert found == pytest.approx([(1 / 9 + 1) / 2, (8 / 9 + 0) / 2], rel=1e-3)
