"""MDX23C checkpoints separate songs as their definition says, exactly to the sample."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.models.mdx23c_files import HOP, SEGMENT, SIZES, small_network, write_files
from tests.separation.conftest import level_db, noise

from unbraid import Separator
from unbraid.models import find_model
from unbraid.separation.network import Network
from unbraid.separation.runtimes.choose import RuntimeLoader, _has_pytorch_networks
from unbraid.separation.runtimes.pytorch import PyTorchRuntime

ONE_STEM = replace(SIZES, stems=1)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    pytest.MonkeyPatch().setenv("UNBRAID_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("stems"))


@pytest.fixture(scope="module")
def one_stem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("one"), ONE_STEM)


def by_definition(segment: NDArray[np.float32]) -> NDArray[np.float32]:
    """Estimate the stems of a segment in PyTorch, in float64: (2, SEGMENT) -> (stems, 2, SEGMENT)."""
    window = torch.hann_window(SIZES.n_fft, dtype=torch.float64)
    mixture = torch.from_numpy(segment).double()
    spectrum = torch.stft(mixture, SIZES.n_fft, HOP, window=window, normalized=True, return_complex=True)
    network = small_network().double()
    spectra = torch.view_as_complex(network(torch.view_as_real(spectrum)[None])[0].contiguous())
    network.float()
    signals = torch.istft(spectra.flatten(0, 1), SIZES.n_fft, HOP, window=window, normalized=True)
    return signals.reshape(-1, 2, SEGMENT).float().numpy()


def test_a_segment_is_that_of_the_definition(checkpoint: Path) -> None:
    song = noise(2, SEGMENT)
    stems = Separator(checkpoint, overlap=0).separate(song)
    for stem, expected in zip(("kick", "snare", "hh"), by_definition(song), strict=True):
        assert level_db(expected, song) > -40
        assert level_db(stems[stem] - expected, expected) < -100


def test_segments_overlap_and_the_last_one_reads_the_end(checkpoint: Path) -> None:
    song = noise(2, SEGMENT + 777)
    stems = Separator(checkpoint).separate(song)
    total, weights = np.zeros(song.shape), np.zeros(song.shape[1])
    ramp = np.minimum(np.arange(1, SEGMENT + 1), np.arange(SEGMENT, 0, -1))
    for start in range(0, song.shape[1], SEGMENT // 2):
        read = min(start, song.shape[1] - SEGMENT)
        size = min(SEGMENT, song.shape[1] - start)
        estimate = by_definition(song[:, read : read + SEGMENT])[0][:, start - read :][:, :size]
        total[:, start : start + size] += ramp[:size] * estimate
        weights[start : start + size] += ramp[:size]
    assert level_db(stems["kick"] - total / weights, total / weights) < -100


@pytest.mark.parametrize(("samples", "rate"), [(1, 44_100), (500, 44_100), (4001, 48_000)])
def test_a_target_and_its_rest_add_up_to_the_song(one_stem: Path, samples: int, rate: int) -> None:
    song = noise(2, samples)
    stems = Separator(one_stem).separate(song, rate)
    assert [*stems] == ["vocals", "other"] and stems["other"].shape == song.shape
    np.testing.assert_allclose(stems["vocals"] + stems["other"], song, atol=1e-6)


def test_pytorch_agrees_with_openvino(checkpoint: Path) -> None:
    model = find_model(checkpoint)
    assert _has_pytorch_networks(model)
    song = noise(2, SEGMENT)
    network = Network(model, SEGMENT, RuntimeLoader(model, "cpu").load)
    assert network.jobs == 1  # two segments at a time would take twice the memory
    on_processor = network.estimate(song, range(3))
    with PyTorchRuntime(model, "cpu").run({"mixture": song[None]}) as outputs:
        assert level_db(outputs["waveforms"][0] - on_processor, on_processor) < -100


def test_silence_and_a_constant_have_finite_stems(checkpoint: Path) -> None:
    for song in (np.zeros((2, 3000), np.float32), np.full((2, 3000), 0.5, np.float32)):
        stems = Separator(checkpoint).separate(song)
        assert all(np.isfinite(stem).all() for stem in stems.values())
        assert song.any() or not any(stem.any() for stem in stems.values())


def test_command_line_keeps_no_compiled_network(checkpoint: Path, cache: Path, tmp_path: Path) -> None:
    """A cached network of the published sizes takes 449 MB of the disk, and 2 GB of memory to write."""
    import soundfile

    song = noise(2, SEGMENT + 321)
    soundfile.write(tmp_path / "song.wav", song.T, 44_100, subtype="FLOAT")
    command = [sys.executable, "-m", "unbraid", "separate", "-m", checkpoint, "--stems", "all", "-q"]
    subprocess.run([*map(str, command), "-o", str(tmp_path), str(tmp_path / "song.wav")], check=True)
    stems = Separator(checkpoint).separate(song)
    for name in ("kick", "snare", "hh"):
        written = soundfile.read(tmp_path / "song" / f"{name}.wav")[0].T
        np.testing.assert_allclose(written, stems[name], atol=1e-6)
    assert not (cache / "compiled").exists()
