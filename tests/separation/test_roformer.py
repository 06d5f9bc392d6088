"""Checkpoints of band-split transformers separate songs as their definition says, exactly to the sample."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.models.roformer_files import BS, HOP, MEL, N_FFT, SEGMENT, small_network, write_files
from tests.separation.conftest import level_db, noise

from unbraid import Separator
from unbraid.errors import ModelError
from unbraid.models import find_model
from unbraid.models.roformer import RoformerSizes, read_sizes
from unbraid.separation.network import Network
from unbraid.separation.runtimes.choose import RuntimeLoader, choose_gpu
from unbraid.separation.runtimes.pytorch import PyTorchRuntime

BOTH = pytest.mark.parametrize("sizes", [pytest.param(MEL, id="mel"), pytest.param(BS, id="bs")])


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.MonkeyPatch().setenv("UNBRAID_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def mel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("mel"), MEL)


@pytest.fixture(scope="module")
def bs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("bs"), BS)


def by_definition(segment: NDArray[np.float32], sizes: RoformerSizes) -> NDArray[np.float32]:
    """Estimate the stems of a segment in PyTorch, in float64: (2, SEGMENT) -> (stems, 2, SEGMENT)."""
    window = torch.hann_window(N_FFT, dtype=torch.float64)
    mixture = torch.from_numpy(segment).double()
    spectrum = torch.view_as_real(torch.stft(mixture, N_FFT, HOP, window=window, return_complex=True))
    spectra = torch.view_as_complex(small_network(sizes).double()(spectrum[None])[0].contiguous())
    signals = torch.istft(spectra.flatten(0, 1), N_FFT, HOP, window=window)
    return signals.reshape(-1, 2, SEGMENT).float().numpy()


@BOTH
def test_a_segment_is_that_of_the_definition(sizes: RoformerSizes, mel: Path, bs: Path) -> None:
    song = noise(2, SEGMENT)
    stems = Separator(mel if sizes is MEL else bs, overlap=0).separate(song)
    expected = by_definition(song, sizes)
    for stem, values in zip(stems, expected, strict=False):
        assert level_db(values, song) > -20
        assert level_db(stems[stem] - values, values) < -110


def test_segments_overlap_and_the_last_one_reads_the_end(mel: Path) -> None:
    song = noise(2, SEGMENT + 3777)
    stems = Separator(mel, overlap=0.5).separate(song)
    total, weights = np.zeros(song.shape), np.zeros(song.shape[1])
    ramp = np.minimum(np.arange(1, SEGMENT + 1), np.arange(SEGMENT, 0, -1))
    for start in range(0, song.shape[1], SEGMENT // 2):
        read = min(start, song.shape[1] - SEGMENT)
        size = min(SEGMENT, song.shape[1] - start)
        estimate = by_definition(song[:, read : read + SEGMENT], MEL)[0][:, start - read :][:, :size]
        total[:, start : start + size] += ramp[:size] * estimate
        weights[start : start + size] += ramp[:size]
    assert level_db(stems["vocals"] - total / weights, total / weights) < -110


@pytest.mark.parametrize(("samples", "rate"), [(500, 44_100), (40_001, 48_000)])
def test_a_target_and_its_rest_add_up_to_the_song(mel: Path, samples: int, rate: int) -> None:
    song = noise(2, samples)
    stems = Separator(mel).separate(song, rate)
    assert [*stems] == ["vocals", "other"] and stems["other"].shape == song.shape
    np.testing.assert_allclose(stems["vocals"] + stems["other"], song, atol=1e-6)


@BOTH
def test_pytorch_agrees_with_openvino(sizes: RoformerSizes, mel: Path, bs: Path) -> None:
    model = find_model(mel if sizes is MEL else bs)
    network = model.members[0].model if model.members else model
    song = noise(2, SEGMENT)
    on_processor = Network(network, SEGMENT, RuntimeLoader(network, "cpu").load).estimate(
        song, range(sizes.stems)
    )
    with PyTorchRuntime(network, "cpu").run({"mixture": song[None]}) as outputs:
        assert level_db(outputs["waveforms"][0] - on_processor, on_processor) < -110


def test_graphics_cards_are_possible(mel: Path) -> None:
    from unbraid.separation.runtimes.choose import _has_pytorch_networks

    assert _has_pytorch_networks(find_model(mel))
    assert choose_gpu(find_model(mel), "cpu") is None


def test_a_network_that_differs_from_its_description_is_an_error(bs: Path) -> None:
    model = find_model(bs)
    sizes = read_sizes(model.folder)
    assert sizes is not None
    (model.folder / "weights.bin").write_bytes((model.folder / "weights.bin").read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"weights\.bin is too short"):
        Network(model, SEGMENT, RuntimeLoader(model, "cpu").load)


def test_command_line_separates_with_a_checkpoint(mel: Path, tmp_path: Path) -> None:
    import soundfile

    song = noise(2, SEGMENT + 4321)
    soundfile.write(tmp_path / "song.wav", song.T, 44_100, subtype="FLOAT")
    command = [sys.executable, "-m", "unbraid", "separate", "-m", mel, "--stems", "all", "-o", tmp_path, "-q"]
    subprocess.run([*map(str, command), str(tmp_path / "song.wav")], check=True)
    stems = [soundfile.read(tmp_path / "song" / f"{name}.wav")[0].T for name in ("vocals", "other")]
    np.testing.assert_allclose(sum(stems), song, atol=1e-6)
    np.testing.assert_allclose(stems[0], Separator(mel).separate(song)["vocals"], atol=1e-6)
