"""The first pass over a song."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import Kind, write
from tests.separation.conftest import noise

from unbraid.audio.resample import Resampler
from unbraid.models import find_installed
from unbraid.separation.array_song import ArraySong
from unbraid.separation.progress import Reporter
from unbraid.separation.song import SILENT_DEVIATION, FileSong, analyse


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


def test_a_file_that_continues_in_stereo_is_stereo(tmp_path: Path) -> None:
    sound = noise(2, 48000)
    song = FileSong(chained(tmp_path, sound[:1], sound))
    model = replace(find_installed("lite"), normalise=True)
    analysis = analyse(song, model, Reporter(None, None))
    assert song.channels == 2
    decoded = np.concatenate(list(song.blocks()), axis=1)
    assert decoded.shape == (2, analysis.samples) == (2, 2 * 48000)
    assert np.array_equal(*decoded[:, :48000])
    assert np.abs(decoded[:, 48000:] - sound).max() < 2**-15
    assert analysis.normalisation.mean == pytest.approx(decoded.mean(), abs=1e-6)


def test_both_passes_agree_on_a_song_that_changes_its_rate(tmp_path: Path) -> None:
    one, other = noise(2, 44100 + 7), noise(2, 48000 + 5, seed=1)
    for rates in ((44100, 48000), (48000, 44100)):
        song = FileSong(chained(tmp_path, one, other, rates=rates))
        analysis = analyse(song, find_installed("lite"), Reporter(None, None))
        first, second = (list(song.blocks()) for _ in range(2))
        assert sum(block.shape[1] for block in first) == analysis.samples
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def chained(folder: Path, *sounds: np.ndarray, rates: Sequence[int] = (48000, 48000)) -> Path:
    """Write a chained Ogg file of FLAC, one link for each sound."""
    kind = Kind("oga", "ogg", "flac", "s16")
    links = [
        write(folder / "link.oga", sound, rate, kind).read_bytes()
        for sound, rate in zip(sounds, rates, strict=True)
    ]
    path = folder / "song.oga"
    path.write_bytes(b"".join(links))
    return path
