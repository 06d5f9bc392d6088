"""Parts of the held-out songs that score a network during training."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from unbraid.evaluation.multitrack import Multitrack
from unbraid.finetuning.scoring import CROP, CROPS, Scoring
from unbraid.training.mask_objective import MaskObjective


def song(parts: float) -> Multitrack:
    """A song of that many parts, whose samples are their position."""
    ramp = np.arange(int(parts * CROP), dtype=np.float32)
    return Multitrack("song", 44_100, {"kick": np.stack([ramp, ramp]), "rest": np.ones((2, len(ramp)), "f4")})


@pytest.mark.parametrize(("lengths", "count"), [([0.5], 1), ([2.5], 2), ([2.5, 1.9], 3), ([30.0], CROPS)])
def test_parts_do_not_overlap(lengths: list[float], count: int) -> None:
    crops = Scoring([song(parts) for parts in lengths], MaskObjective()).crops
    assert len(crops) == count
    spans = [(crop[0, 0, 0], crop[0, 0, -1]) for crop in crops]
    if len(lengths) == 1:
        assert all(end < start for (_, end), (start, _) in pairwise(spans))
