"""The losses on pooled spectra equal those on full spectrograms."""

import math

import numpy as np
import pytest
import torch

from unbraid.models.lite import N_FFT, POOLED
from unbraid.networks.lite import unpool
from unbraid.training.families import SPLEETER
from unbraid.training.losses import error_power, spectrum_loss, waveform_loss
from unbraid.training.mask_objective import MaskObjective
from unbraid.training.mixtures import Stems, Target
from unbraid.training.stft import spectra, waveforms

SAMPLES = 12 * 1024


@pytest.fixture
def target() -> Target:
    torch.manual_seed(0)
    return Stems(torch.randn(2, 4, 2, SAMPLES)).mix()


def test_waveforms_inverts_spectra() -> None:
    audio = torch.randn(2, 3, SAMPLES)
    torch.testing.assert_close(waveforms(spectra(audio), SAMPLES), audio, atol=1e-5, rtol=1e-4)


def test_spectra_equal_those_of_separation() -> None:
    from unbraid.separation.spectral import Spectral

    audio = torch.randn(2, SAMPLES)
    expected = Spectral(N_FFT, 1024).forward(audio.numpy())
    torch.testing.assert_close(
        torch.from_numpy(expected), torch.view_as_real(spectra(audio)), atol=1e-4, rtol=1e-4
    )


def test_pooled_error_equals_error_of_full_spectrogram(target: Target) -> None:
    masks = torch.rand(2, 4, 2, POOLED, 13)
    full = unpool(masks) * target.mixture[:, None] - spectra(target.stems)
    widths = [1] * 384 + [2] * 256 + [4] * 288
    weight = torch.tensor(widths, dtype=torch.float32)[:, None]
    pooled = (error_power(masks, target) * weight).sum()
    expected = full[..., :-1, :].abs().square().sum()  # the Nyquist bin has no mask
    assert pooled.item() == pytest.approx(expected.item(), rel=1e-4)


def test_optimal_masks_have_lower_loss(target: Target) -> None:
    best = (target.cross / target.mixture_power).clamp(0, 1)
    losses = [spectrum_loss(masks, target).item() for masks in (best, torch.full_like(best, 0.25))]
    assert losses[0] < losses[1] - 0.1
    waves = [waveform_loss(masks, target, items=2).item() for masks in (best, torch.full_like(best, 0.25))]
    assert waves[0] < waves[1]


def test_a_quiet_stem_counts_if_its_floor_is_low() -> None:
    """The error of a voice with 3 % of the energy is halved. With one floor for all stems, that hardly counts."""
    torch.manual_seed(0)
    voice, band = 0.17 * torch.randn(1, 1, 2, SAMPLES), torch.randn(1, 1, 2, SAMPLES)
    target = Stems(torch.cat([band, voice], 1), family=SPLEETER).mix()
    nothing = torch.zeros(1, 2, 2, 1024, 13)
    best = (target.cross / target.mixture_power).clamp(0, 1)
    half = (1 - 0.5**0.5) * best  # leaves half of the energy that a better mask would leave

    def gain(objective: MaskObjective) -> float:
        losses = [spectrum_loss(mask, target, (0.0, 1.0), objective.silence) for mask in (nothing, half)]
        return (losses[0] - losses[1]).item()

    same_floor = gain(MaskObjective(SPLEETER, silence=0.3))
    assert gain(MaskObjective(SPLEETER).for_shares([0.97, 0.03])) > 5 * same_floor > 0


@pytest.mark.parametrize("level", [1.0, 0.0])
def test_loss_is_finite_for_silent_stems(level: float) -> None:
    stems = torch.zeros(1, 4, 2, SAMPLES)
    stems[:, 0] = level * torch.randn(1, 2, SAMPLES)
    target = Stems(stems).mix()
    masks = torch.full((1, 4, 2, POOLED, 13), 0.25, requires_grad=True)
    loss = spectrum_loss(masks, target) + waveform_loss(masks, target, items=1)
    loss.backward()
    assert math.isfinite(loss.item())
    assert masks.grad is not None
    assert torch.isfinite(masks.grad).all()


def test_only_the_voice_counts_over_a_backing() -> None:
    torch.manual_seed(0)
    stems, masks = torch.randn(1, 4, 2, SAMPLES), torch.softmax(torch.randn(1, 4, 2, POOLED, 13), 1)
    permuted = stems[:, [1, 0, 2, 3]]  # the same backing with permuted stems
    other_masks = masks[:, [2, 1, 0, 3]]
    voiced = masks[:, [3, 1, 2, 0]]
    backed = np.array([True])

    def loss(audio: torch.Tensor, shares: torch.Tensor) -> float:
        target = Stems(audio, backed).mix()
        return (spectrum_loss(shares, target) + waveform_loss(shares, target, items=1)).item()

    assert loss(permuted, other_masks) == pytest.approx(loss(stems, masks), rel=1e-5)
    assert abs(loss(stems, voiced) - loss(stems, masks)) > 1e-4
