"""The first pass over a song."""

from dataclasses import replace

import numpy as np
import pytest
from tests.separation.conftest import noise

from unbraid.audio.resample import Resampler
from unbraid.models import find_installed
from unbraid.separation.progress import Reporter
from unbraid.separation.song import SILENT_DEVIATION, ArraySong, analyse


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [44100, 48000, 22050])
def test_measures_the_mono_mix_at_the_rate_of_the_model(rate: int, channels: int) -> None:
    song = noise(channels, 200_000) + np.float32(0.25)  # several blocks, with a DC offset
    model = replace(find_installed("lite"), normalise=True)
    analysis = analyse(ArraySong(song, rate), model, Reporter(None, None))
    mono = Resampler(rate, 44100, channels).push(song, last=True).astype(np.float64).mean(axis=0)
    assert analysis.model_samples == mono.size
    assert analysis.normalisation.mean == pytest.approx(mono.mean(), rel=1e-6)
    assert analysis.normalisation.deviation - SILENT_DEVIATION == pytest.approx(mono.std(ddof=1), rel=1e-6)
