"""The lite network: its shapes, the properties of its stems, and its cost."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from unbraid.models.lite import BINS, HOP, POOLED, POOLING, SAMPLE_RATE, LiteConfig
from unbraid.networks.lite import Lite, pool, unpool

MOST_GFLOP = 3.0  # for one second of stereo sound


@pytest.fixture(scope="module")
def network() -> Lite:
    torch.manual_seed(0)
    return Lite().eval()


@torch.no_grad()
def test_stems_add_up_to_the_mixture(network: Lite) -> None:
    spectrum = torch.randn(2, 2, BINS, 9, 2)
    stems = network(spectrum)
    assert stems.shape == (2, 4, 2, BINS, 9, 2)
    torch.testing.assert_close(stems.sum(1), spectrum, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 11])
def test_accepts_any_number_of_frames(network: Lite, frames: int) -> None:
    assert network(torch.randn(1, 2, BINS, frames, 2)).shape[4] == frames


@torch.no_grad()
def test_masks_sum_to_one(network: Lite) -> None:
    masks = network.pooled_masks(torch.randn(1, 2, BINS, 8, 2))
    assert masks.shape == (1, 4, 2, POOLED, 8)
    assert masks.min() >= 0
    torch.testing.assert_close(masks.sum(1), torch.ones(1, 2, POOLED, 8))


@torch.no_grad()
def test_silence_gives_silence(network: Lite) -> None:
    assert torch.equal(network(torch.zeros(1, 2, BINS, 8, 2)), torch.zeros(1, 4, 2, BINS, 8, 2))


def test_pooling_takes_means_and_unpooling_spreads_them() -> None:
    bins = torch.arange(BINS, dtype=torch.float32)[:, None]
    pooled = pool(bins)
    assert pooled.shape == (POOLED, 1)
    fine, coarse = POOLING[0][1], POOLING[-1][0]
    assert torch.equal(pooled[:fine], bins[:fine])
    assert pooled[-1].item() == pytest.approx(BINS - 1 - (coarse + 1) / 2)
    assert torch.equal(pool(unpool(pooled)), pooled)


def test_phase_feature_distinguishes_tone_from_noise(network: Lite) -> None:
    time = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    window = torch.hann_window(4096)
    bin_hz = SAMPLE_RATE / 4096

    def phase_cosine(audio: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(
            audio.expand(2, -1), 4096, HOP, window=window, normalized=True, return_complex=True
        )
        features = network.features(torch.view_as_real(spectrum)[None])
        return features.reshape(58, 8, 16, -1)[:, 6, :, 4:-4].flatten(0, 1)  # cosine of the phase advance

    tone = phase_cosine(torch.sin(2 * torch.pi * 100 * bin_hz * time))  # in the middle of bin 100
    assert tone[100].mean() > 0.98
    noise = phase_cosine(torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(1)))
    assert noise.mean().abs() < 0.9 * tone[100].mean()


def test_one_second_needs_at_most_three_gflop() -> None:
    frames = 432
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        Lite().eval()(torch.zeros(1, 2, BINS, frames, 2))
    assert 0.1 < counter.get_total_flops() / 1e9 / (frames * HOP / SAMPLE_RATE) < MOST_GFLOP


def test_widths_are_configurable() -> None:
    small = Lite(LiteConfig(widths=(8, 16, 24), bottom=1, hidden=8))
    assert small(torch.randn(1, 2, BINS, 4, 2)).shape == (1, 4, 2, BINS, 4, 2)
