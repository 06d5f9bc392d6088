"""The STFT: its conventions, and its exact inverse."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import scipy.signal
import torch
from demucs.hdemucs import HDemucs
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.separation.conftest import level_db, noise

from unbraid.models.folder import Edges
from unbraid.separation.runtimes.pytorch_spectral import TorchSpectral
from unbraid.separation.spectral import Spectral


@settings(max_examples=40, deadline=None)
@given(
    hop=st.sampled_from([16, 64, 128]),
    ratio=st.sampled_from([2, 4, 8]),
    extra=st.integers(1, 3000),
    channels=st.integers(1, 3),
)
def test_the_inverse_reconstructs_every_sample(hop: int, ratio: int, extra: int, channels: int) -> None:
    spectral = Spectral(hop * ratio, hop)
    signal = noise(channels, hop * ratio // 2 + extra)
    assert level_db(spectral.inverse(spectral.forward(signal), signal.shape[1]) - signal, signal) < -110


@pytest.mark.parametrize(("n_fft", "hop"), [(7680, 1024), (5120, 1024), (250, 100), (300, 128)])
def test_windows_that_the_hop_does_not_divide(n_fft: int, hop: int) -> None:
    """The windows of MDX-Nets. Both directions agree with PyTorch."""
    signal, window = noise(2, 40 * hop), torch.hann_window(n_fft)
    spectral = Spectral(n_fft, hop)
    spectrum = spectral.forward(signal)
    expected = torch.stft(
        torch.from_numpy(signal), n_fft, hop, window=window, normalized=True, return_complex=True
    )
    assert level_db(spectrum - torch.view_as_real(expected).numpy(), spectrum) < -120
    spectrum *= np.random.default_rng(0).uniform(0, 1, spectrum.shape).astype(np.float32)
    spectrum[:, [0, -1], :, 1] = 0  # real for a real signal
    inverse = torch.istft(
        torch.view_as_complex(torch.from_numpy(spectrum)), n_fft, hop, window=window, normalized=True
    ).numpy()
    assert level_db(spectral.inverse(spectrum, 40 * hop) - inverse, inverse) < -110


def test_the_inverse_of_a_usual_window_is_exact_to_float32() -> None:
    spectral = Spectral(4096, 1024)
    signal = noise(2, 44100)
    assert level_db(spectral.inverse(spectral.forward(signal), 44100) - signal, signal) < -120


def test_the_spectrum_is_the_windowed_transform_of_mirrored_frames() -> None:
    n_fft, hop = 512, 128
    signal = noise(1, 10 * hop)
    spectrum = Spectral(n_fft, hop).forward(signal)
    assert spectrum.dtype == np.float32
    assert spectrum.shape == (1, n_fft // 2 + 1, 11, 2)
    mirrored = np.pad(signal[0].astype(np.float64), n_fft // 2, mode="reflect")
    window = scipy.signal.get_window("hann", n_fft)
    for frame in range(11):
        expected = np.fft.rfft(mirrored[frame * hop : frame * hop + n_fft] * window) / np.sqrt(n_fft)
        assert np.allclose(spectrum[0, :, frame, 0] + 1j * spectrum[0, :, frame, 1], expected, atol=1e-6)


def test_keeps_leading_dimensions() -> None:
    spectral = Spectral(256, 64)
    signals = noise(6, 1000).reshape(3, 2, 1000)
    spectrum = spectral.forward(signals)
    assert spectrum.shape == (3, 2, 129, 17, 2)
    assert np.array_equal(spectrum[1, 1], spectral.forward(signals[1, 1]))
    assert level_db(spectral.inverse(spectrum, 1000) - signals, signals) < -110


def test_rejects_a_spectrum_of_another_length() -> None:
    spectral = Spectral(256, 64)
    with pytest.raises(ValueError, match="1000 samples need"):
        spectral.inverse(spectral.forward(noise(1, 2000)), 1000)


@pytest.mark.parametrize("edges", ["centred", "demucs", "demucs_old"])
def test_writes_the_spectrum_into_out(edges: Edges) -> None:
    spectral = Spectral(256, 64, edges)
    signal = noise(2, 3000)
    out = np.full((2, spectral.bins, spectral.frames(3000), 2), np.nan, np.float32)
    assert spectral.forward(signal, out=out) is out
    assert np.array_equal(out, spectral.forward(signal))


@pytest.mark.parametrize("edges", ["centred", "demucs", "demucs_old"])
def test_add_inverse_adds_the_start_of_the_signal(edges: Edges) -> None:
    spectral = Spectral(256, 64, edges)
    spectrum = spectral.forward(noise(2, 3000))
    whole = spectral.inverse(spectrum, 3000)
    for samples in (3000, 2999, 100):
        before = noise(2, samples)
        total = before.copy()
        spectral.add_inverse(spectrum, 3000, total)
        assert np.array_equal(total, before + whole[:, :samples])


def test_allocates_no_second_spectrogram() -> None:
    spectral = Spectral(4096, 1024)
    signal = noise(2, 441000)
    spectrum = spectral.forward(signal)
    out = np.zeros_like(spectrum)
    assert peak_bytes(lambda: spectral.forward(signal, out=out)) < 0.5 * spectrum.nbytes
    assert peak_bytes(lambda: spectral.add_inverse(spectrum, 441000, signal)) < 0.2 * spectrum.nbytes


def peak_bytes(work: Callable[[], object]) -> int:
    """Return the peak memory that `work` allocates."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class DemucsNetwork:
    """The attributes of a network that `_spec` and `_ispec` of demucs read."""

    nfft, hop_length, hybrid, hybrid_old = 512, 128, True, False


class OldNetwork(DemucsNetwork):
    """A network with the padding of Demucs 3's first networks."""

    hybrid_old = True


KINDS = [("demucs", DemucsNetwork), ("demucs_old", OldNetwork)]
each_kind = pytest.mark.parametrize(("edges", "network"), KINDS)


# From a single sample, where nothing can be mirrored, to lengths beyond all borders of the mirrored part.
LENGTHS = [1, 2, 100, 127, 128, 129, 191, 192, 193, 320, 321, 512, 1000, 12345]


@each_kind
@pytest.mark.parametrize("samples", LENGTHS)
def test_demucs_edges_give_the_spectrum_of_demucs(samples: int, edges: Edges, network: type) -> None:
    signal = noise(2, samples)
    expected = torch.view_as_real(HDemucs._spec(network, torch.from_numpy(signal)[None])[0]).numpy()
    spectral = Spectral(512, 128, edges)
    on_device = TorchSpectral(512, old=network.hybrid_old).forward(torch.from_numpy(signal)[None])[0].numpy()
    assert level_db(on_device - expected, expected) < -120
    actual = spectral.forward(signal)
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape == (2, 256, spectral.frames(samples), 2)
    assert level_db(actual - expected, expected) < -120


@each_kind
@pytest.mark.parametrize("samples", LENGTHS)
def test_demucs_edges_give_the_signal_of_demucs(samples: int, edges: Edges, network: type) -> None:
    spectral = Spectral(512, 128, edges)
    shape = (3, 2, 256, spectral.frames(samples), 2)
    spectra = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    expected = HDemucs._ispec(network, torch.view_as_complex(torch.from_numpy(spectra)), samples).numpy()
    # A window is nearly zero at its first samples, which PyTorch rounds.
    reference = expected if samples > 2 else spectra
    on_device = TorchSpectral(512, old=network.hybrid_old).inverse(torch.from_numpy(spectra), samples).numpy()
    assert level_db(on_device - expected, reference) < -120
    actual = spectral.inverse(spectra, samples)
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape == (3, 2, samples)
    assert level_db(actual - expected, reference) < -120


@pytest.mark.parametrize("edges", ["demucs", "demucs_old"])
def test_demucs_edges_need_a_hop_of_a_quarter(edges: Edges) -> None:
    with pytest.raises(ValueError, match="a quarter of the window"):
        Spectral(512, 64, edges)
