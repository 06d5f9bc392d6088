"""Networks of both families learn by the same losses, and tempo changes leave the pitch."""

from __future__ import annotations

import numpy as np
import torch
from tests.networks.seeded_spleeter import seeded_spleeter

from unbraid.training.augment import stretched
from unbraid.training.families import SPLEETER
from unbraid.training.losses import spectrum_loss, waveform_loss
from unbraid.training.mixtures import Stems
from unbraid.training.stft import spectra
from unbraid.training.validate import separate


def test_loss_of_spleeter_is_the_error_of_its_lower_bins() -> None:
    torch.manual_seed(0)
    audio = 0.1 * torch.randn(1, 2, 2, 63 * 1024)
    target = Stems(audio, family=SPLEETER).mix()
    masks = torch.rand(1, 2, 2, 1024, 64)
    spectrum, lower = spectra(audio), slice(0, 1024)
    error = (masks * spectrum.sum(1, keepdim=True)[..., lower, :] - spectrum[..., lower, :]).abs().square()
    powers = spectrum[..., lower, :].abs().square().sum((2, 3, 4))
    floor = 0.3 * spectrum.sum(1)[..., lower, :].abs().square().sum() + 1e-6
    expected = torch.log((error.sum((2, 3, 4)) + floor) / (powers + floor)).sum(1).mean() / 2
    torch.testing.assert_close(spectrum_loss(masks, target, [1.0, 1.0], 0.3), expected, atol=1e-3, rtol=1e-3)
    assert torch.isfinite(waveform_loss(masks, target, items=1))


def test_separating_in_training_adds_up_to_the_song() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 20_000)).astype(np.float32)
    stems = separate(seeded_spleeter().eval(), sound, torch.device("cpu"), SPLEETER)
    np.testing.assert_allclose(stems.sum(0), sound, atol=1e-4)


def test_stretching_changes_the_tempo_and_not_the_pitch() -> None:
    time = np.arange(44_100) / 44_100
    tone = np.tile(np.sin(2 * np.pi * 441 * time), (2, 1)).astype(np.float32)
    for samples in (39_000, 50_000):
        out = stretched(tone, samples)
        assert out.shape == (2, samples)
        peak_hz = np.argmax(np.abs(np.fft.rfft(out[0]))) * 44_100 / samples
        assert abs(peak_hz - 441) < 2
        middle = out[0, 4000:-4000]
        assert 0.6 < float(np.sqrt(np.mean(middle**2))) < 0.8  # 0.71: without gaps
