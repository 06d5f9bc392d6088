"""Each baseline separates the synthetic mixture that it suits."""

import numpy as np
import pytest

from unbraid.evaluation.baselines import BASELINES
from unbraid.evaluation.sdr import sdr

RATE = 22050
TIME = np.arange(4 * RATE) / RATE


def tones(*frequencies: float) -> np.ndarray:
    return sum(np.sin(2 * np.pi * f * TIME) for f in frequencies).astype(np.float32)


def gliding_voice() -> np.ndarray:
    """A harmonic tone in the centre, (2, samples), that never returns to a pitch."""
    pitch = 220 * 2 ** (TIME / 4) * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * TIME))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    return np.tile((0.1 * voice).astype(np.float32), (2, 1))


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [10, 30001])
def test_stem_and_complement_sum_to_mixture(name: str, channels: int, samples: int) -> None:
    mixture = np.random.default_rng(0).standard_normal((channels, samples)).astype(np.float32)
    stems = BASELINES[name](mixture, RATE)
    assert {stem.shape for stem in stems.values()} == {mixture.shape}
    np.testing.assert_allclose(sum(stems.values()), mixture, atol=1e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_silence_stays_silent(name: str) -> None:
    for stem in BASELINES[name](np.zeros((2, RATE), np.float32), RATE).values():
        assert not stem.any()


def test_centre_extracts_voice_between_wide_instruments() -> None:
    voice = gliding_voice()
    wide = 0.1 * np.stack([tones(277, 415, 831), tones(311, 466, 932)])
    estimate = BASELINES["centre"](voice + wide, RATE)
    assert sdr(voice, estimate["vocals"]) > sdr(voice, voice + wide) + 6


def test_repetition_extracts_voice_over_loop() -> None:
    voice = gliding_voice()
    random = np.random.default_rng(3)
    beat = random.standard_normal((2, RATE // 2)) * np.exp(-12 * TIME[: RATE // 2])
    loop = np.tile(0.3 * beat, 8).astype(np.float32)
    loop += 0.1 * (tones(330, 495) * (TIME % 1 < 0.5))
    estimate = BASELINES["repetition"](voice + loop, RATE)
    assert sdr(voice, estimate["vocals"]) > sdr(voice, voice + loop) + 5
    assert sdr(loop, estimate["no_vocals"]) > sdr(loop, voice + loop) + 3


def test_percussion_extracts_strokes_among_held_notes() -> None:
    strokes = 0.5 * np.random.default_rng(4).standard_normal(TIME.shape) * (TIME % 0.5 < 0.01)
    drums = np.tile(strokes.astype(np.float32), (2, 1))
    held = np.tile(0.1 * tones(220, 330, 440), (2, 1))
    estimate = BASELINES["percussion"](drums + held, RATE)
    assert sdr(drums, estimate["drums"]) > sdr(drums, drums + held) + 6
