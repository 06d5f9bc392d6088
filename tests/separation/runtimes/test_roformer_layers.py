"""The layers of a band-split transformer take memory for a part of the tokens and for one layer's weights."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.models.roformer_files import BS, MEL, layers_by_definition, write_weights
from tests.separation.conftest import level_db

from unbraid.models.roformer import RoformerSizes, layout
from unbraid.separation.runtimes import roformer_layers
from unbraid.separation.runtimes.roformer_layers import TOKENS_AT_ONCE, Layers, group_size
from unbraid.separation.runtimes.stored_weights import StoredWeights

# Weights of 24 such layers take 151 MB in float32.
WIDE = replace(MEL, width=256, heads=4, head_width=64, hidden=1024)
MANY = 24

PEAK = """
import json, resource, sys
import numpy as np
from pathlib import Path
from unbraid.models.roformer import RoformerSizes, layout
from unbraid.separation.runtimes.roformer_layers import Layers
from unbraid.separation.runtimes.stored_weights import StoredWeights
sizes = RoformerSizes.from_dict(json.loads(sys.argv[2]))
layers = Layers(sizes, StoredWeights(Path(sys.argv[1]), layout(sizes)), threads=1)
layers.apply(np.ones((len(sizes.bands), sizes.frames, sizes.width), np.float32))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("tokens_at_once", [17_000, 300, 1])
@pytest.mark.parametrize("sizes", [pytest.param(MEL, id="mel"), pytest.param(BS, id="bs")])
def test_layers_in_parts_are_those_of_the_definition(
    sizes: RoformerSizes, tokens_at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """101 frames are no multiple of the frames that are computed together."""
    monkeypatch.setattr(roformer_layers, "TOKENS_AT_ONCE", tokens_at_once)
    weights = StoredWeights(write_weights(tmp_path, sizes), layout(sizes))
    shape = (len(sizes.bands), sizes.frames, sizes.width)
    tokens = np.random.default_rng(0).standard_normal(shape, np.float32)
    expected = layers_by_definition(sizes, tokens)
    Layers(sizes, weights, threads=1).apply(tokens)
    assert level_db(tokens - expected, expected) < -120


@pytest.mark.parametrize(("bands", "frames"), [(60, 801), (62, 801), (62, 1151), (60, 1101), (62, 948)])
def test_parts_of_published_sizes_are_small_and_hardly_overlap(bands: int, frames: int) -> None:
    for count, length in ((bands, frames), (frames, bands)):
        size = group_size(count, length)
        assert size * length <= 1.2 * TOKENS_AT_ONCE
        assert -count % size <= 0.04 * count


def test_twelve_times_the_layers_take_no_more_memory(tmp_path: Path) -> None:
    """As constants, the weights of all layers would be in memory in float32."""
    peaks = []
    for layers in (2, MANY):
        sizes = replace(WIDE, layers=layers)
        path = tmp_path / f"{layers}.bin"
        places = layout(sizes)
        with path.open("wb") as file:
            for place in places:
                file.write(bytes(place.offset - file.tell()))
                file.write(np.full(place.length // 2, 0x2000, "<u2").tobytes())
        peaks.append(peak_bytes(path, sizes))
    assert peaks[1] - peaks[0] < 20e6


def peak_bytes(path: Path, sizes: RoformerSizes) -> int:
    """Return the peak memory of a process that computes the layers."""
    command = [sys.executable, "-c", PEAK, str(path), json.dumps(sizes.to_dict())]
    kilobytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return 1024 * int(kilobytes)
