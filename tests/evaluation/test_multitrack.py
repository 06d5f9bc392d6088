"""Find and read songs with known stems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.conftest import RATE, noise

from unbraid.errors import InputError
from unbraid.evaluation.multitrack import find_songs, fit, load

FOUR = {name: noise(seed) for seed, name in enumerate(("drums", "bass", "other", "vocals"))}


def test_mixture_is_sum_of_stems(tmp_path: Path, write_stems) -> None:
    song = load(write_stems(tmp_path / "a", {**FOUR, "mixture": noise(9)}))
    np.testing.assert_allclose(song.mixture, sum(FOUR.values()), atol=1e-6)
    assert list(song.stems) == ["drums", "bass", "other", "vocals"]


def test_accompaniment_is_sum_of_other_stems(tmp_path: Path, write_stems) -> None:
    song = load(write_stems(tmp_path / "a", FOUR))
    np.testing.assert_allclose(song.target("no_vocals"), sum(FOUR.values()) - FOUR["vocals"], atol=1e-6)


def test_stem_and_complement_make_a_song(tmp_path: Path, write_stems) -> None:
    song = load(write_stems(tmp_path / "a", {"vocals": noise(1), "no_vocals": noise(2)}))
    np.testing.assert_allclose(song.mixture, noise(1) + noise(2), atol=1e-6)


def test_stem_file_is_read_without_its_mastered_mixture(tmp_path: Path, write_stem_file) -> None:
    song = load(write_stem_file(tmp_path / "tune.stem.mp4", [noise(9), *FOUR.values()]))
    assert song.name == "tune"
    for name, stem in FOUR.items():
        np.testing.assert_allclose(song.stems[name], stem, atol=2**-15)
    np.testing.assert_allclose(song.mixture, sum(FOUR.values()), atol=1e-4)


def test_rejects_stem_file_with_wrong_stream_count(tmp_path: Path, write_stem_file) -> None:
    with pytest.raises(InputError, match="has 2 audio streams"):
        load(write_stem_file(tmp_path / "tune.stem.mp4", [noise(1), noise(2)]))


def test_finds_folders_and_stem_files(tmp_path: Path, write_stems, write_stem_file) -> None:
    write_stems(tmp_path / "b", FOUR)
    write_stem_file(tmp_path / "a.stem.mp4", [noise(9), *FOUR.values()])
    (tmp_path / "empty").mkdir()
    assert list(find_songs(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("make", [False, True])
def test_rejects_folder_without_songs(tmp_path: Path, make: bool) -> None:
    if make:
        (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no stems" if make else "doesn't exist"):
        find_songs(tmp_path / "none")


def test_trims_small_length_difference_with_warning(tmp_path: Path, write_stems) -> None:
    song = load(write_stems(tmp_path / "a", {**FOUR, "bass": noise(1)[:, :-1000]}))
    assert song.samples == RATE - 1000
    assert "1000 samples" in song.warnings[0]


def test_rejects_large_length_difference(tmp_path: Path, write_stems) -> None:
    reference = load(write_stems(tmp_path / "a", FOUR))
    estimate = load(write_stems(tmp_path / "b", {"vocals": noise(1, seconds=0.8)}))
    with pytest.raises(InputError, match=r"1\.00 s|0\.80 s"):
        fit(reference, estimate)


def test_rejects_different_sample_rate(tmp_path: Path, write_stems) -> None:
    reference = load(write_stems(tmp_path / "a", FOUR))
    estimate = load(write_stems(tmp_path / "b", FOUR, sample_rate=48000))
    with pytest.raises(InputError, match="44100 Hz and its estimate 48000 Hz"):
        fit(reference, estimate)


def test_mono_estimate_is_copied_to_both_channels(tmp_path: Path, write_stems) -> None:
    reference = load(write_stems(tmp_path / "a", FOUR))
    mono = noise(5, channels=1)
    _, estimate, _ = fit(reference, load(write_stems(tmp_path / "b", {"vocals": mono})))
    np.testing.assert_array_equal(estimate.stems["vocals"], np.repeat(mono, 2, axis=0))


def test_rejects_two_files_for_one_stem(tmp_path: Path, write_stems) -> None:
    folder = write_stems(tmp_path / "a", FOUR)
    (folder / "vocals.flac").write_bytes((folder / "vocals.wav").read_bytes())
    with pytest.raises(InputError, match="two files for vocals"):
        load(folder)
