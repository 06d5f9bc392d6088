"""Ten seconds of a held-out song, before and after teaching."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from tests.finetuning.synthetic import RATE, write_songs, write_tiny_model

from unbraid.evaluation.multitrack import Multitrack, load
from unbraid.finetuning.check import check_songs
from unbraid.finetuning.clips import CLIP_S, loudest, write_clips
from unbraid.models import find_model
from unbraid.separation import Separator


def read(path: Path) -> np.ndarray:
    """Read a 16-bit WAV file, as floats (channels, samples)."""
    with wave.open(str(path)) as file:
        assert file.getframerate() == RATE and file.getsampwidth() == 2
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return frames.reshape(-1, file.getnchannels()).T / 32_768


def noise(seconds: float, *loud_s: tuple[float, float]) -> np.ndarray:
    """Soft noise (2, samples) at 1000 Hz that is loud in some spans."""
    sound = 0.01 * np.random.default_rng(0).standard_normal((2, int(1000 * seconds))).astype(np.float32)
    for start, end in loud_s:
        sound[:, int(1000 * start) : int(1000 * end)] *= 30
    return sound


def test_chooses_the_seconds_in_which_all_stems_are_loud() -> None:
    song = Multitrack("song", 1000, {"kick": noise(60, (0, 40)), "rest": noise(60, (25, 60))})
    start, clip = loudest(song)
    assert 25_000 <= start <= 30_000 and clip.samples == 1000 * CLIP_S
    np.testing.assert_array_equal(clip.stems["kick"], song.stems["kick"][:, start : start + clip.samples])
    assert loudest(song, from_share=0.75)[0] >= 45_000


def test_a_short_song_is_a_clip_as_a_whole() -> None:
    song = Multitrack("song", 1000, {"kick": noise(4), "rest": noise(4)})
    start, clip = loudest(song)
    assert (start, clip.samples) == (0, 4000)


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    return write_songs(tmp_path / "songs", ("low", "high"))


def test_clips_are_what_the_models_separate(songs: Path, tmp_path: Path) -> None:
    # A column of `unbraid evaluate` has the name of the second one.
    base, taught = (
        write_tiny_model(tmp_path / name, seed=seed) for seed, name in enumerate(("base", "mixture"))
    )
    check = check_songs(songs)
    found = write_clips(check, str(base), taught, find_model(base).sources, tmp_path / "clips")
    (held_out,) = check.held_out
    assert (found["song"], found["stems"], found["before"]) == (held_out, ["low", "high"], ["low", "high"])
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == [
        "after-0.wav", "after-1.wav", "before-0.wav", "before-1.wav"
    ]  # fmt: skip
    start = round(found["start_s"] * RATE)
    part = load(songs / held_out).mixture[:, start : start + int(CLIP_S * RATE)]
    for kind, model in (("before", base), ("after", taught)):
        stems = Separator(model).separate(part, RATE)
        for number, stem in enumerate(found["stems"]):
            heard = read(tmp_path / "clips" / f"{kind}-{number}.wav")
            np.testing.assert_allclose(heard, stems[stem], atol=1e-3)
    assert not np.allclose(
        read(tmp_path / "clips/before-0.wav"), read(tmp_path / "clips/after-0.wav"), atol=0.01
    )


def test_a_stem_that_the_first_model_lacks_has_no_clip_of_before(songs: Path, tmp_path: Path) -> None:
    base = write_tiny_model(tmp_path / "base", ("high", "something"))
    taught = write_tiny_model(tmp_path / "taught")
    found = write_clips(check_songs(songs), str(base), taught, find_model(base).sources, tmp_path / "clips")
    assert (found["stems"], found["before"]) == (["high", "low"], ["high"])
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == [
        "after-0.wav", "after-1.wav", "before-0.wav"
    ]  # fmt: skip


def test_the_clip_of_a_single_song_is_from_its_last_quarter(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", ("low", "high"), songs=1, seconds=24)
    base, taught = (write_tiny_model(tmp_path / name) for name in ("base", "taught"))
    found = write_clips(check_songs(songs), str(base), taught, ("low", "high"), tmp_path / "clips")
    assert found["start_s"] == 18.0
    assert read(tmp_path / "clips" / "after-0.wav").shape == (2, 6 * RATE)
