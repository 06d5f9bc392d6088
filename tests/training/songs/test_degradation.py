"""Degradation of stems keeps their length and timing."""

import numpy as np
import pytest

from training.songs.degradation import degrade, draw_degradation, through_codec
from training.sound import Audio


def music(seconds: float = 3.0) -> Audio:
    """Decaying tones at random positions: tonal enough for codecs, with onsets for alignment."""
    rng = np.random.default_rng(0)
    sound = np.zeros((2, int(seconds * 44_100) + 123))
    t = np.arange(22_050) / 44_100
    for _ in range(24):
        at = int(rng.integers(0, sound.shape[1] - t.size))
        tone = np.sin(2 * np.pi * rng.uniform(150, 3000) * t) * np.exp(-6 * t)
        sound[:, at : at + t.size] += 0.1 * tone * rng.uniform(0.3, 1.0, (2, 1))
    return sound.astype(np.float32)


@pytest.mark.parametrize("codec", ["mp3", "aac"])
@pytest.mark.parametrize("bit_rate", [64_000, 128_000])
def test_codec_keeps_length_and_timing(codec: str, bit_rate: int) -> None:
    sound = music()
    coded = through_codec(sound, codec, bit_rate)
    assert coded.shape == sound.shape
    size = 2 ** int(np.ceil(np.log2(2 * sound.shape[1])))
    cross = np.fft.irfft(np.fft.rfft(coded[0], size) * np.conj(np.fft.rfft(sound[0], size)))
    assert int(np.argmax(cross)) == 0
    assert np.corrcoef(coded[0], sound[0])[0, 1] > 0.98


def test_most_songs_are_not_degraded() -> None:
    rng = np.random.default_rng(0)
    kinds = [draw_degradation(rng)["kind"] for _ in range(400)]
    assert 0.5 < np.mean([kind == "none" for kind in kinds]) < 0.75
    assert set(kinds) == {"none", "mp3", "aac", "lowpass", "old", "cassette", "narrow"}


def test_silence_stays_silent() -> None:
    rng = np.random.default_rng(0)
    silence = np.zeros((2, 44_100), dtype=np.float32)
    for seed in range(30):
        assert not np.any(degrade(rng, draw_degradation(np.random.default_rng(seed)), silence))
