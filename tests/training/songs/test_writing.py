"""Songs are written atomically, and existing songs are kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.songs import writing
from training.songs.render import STEMS, Song
from unbraid.audio.decode import Decoder


@pytest.fixture
def rendered_seeds(song: Song, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace rendering by a song that exists already. Returns the list of rendered seeds."""
    seeds: list[int] = []

    def fake_render(seed: int, split: str, bank: object) -> Song:
        seeds.append(seed)
        return song

    monkeypatch.setattr(writing, "render", fake_render)
    monkeypatch.setattr(writing, "bank_from", lambda folder: None)
    return seeds


def test_stems_are_written_as_int16(rendered_seeds: list[int], song: Song, tmp_path: Path) -> None:
    folder = writing.write_song(7, "test", tmp_path)
    assert folder == tmp_path / "test-7"
    for name in STEMS:
        stored = np.load(folder / f"{name}.npy", mmap_mode="r")
        assert stored.dtype == np.int16
        assert stored.shape == song.stems[name].T.shape
        assert stored.flags.c_contiguous
        assert np.abs(stored.T / 32768.0 - song.stems[name]).max() < 1 / 32768
    about = json.loads((folder / "song.json").read_text())
    assert {"tempo_bpm", "key", "genre", "other", "drums", "bass"} <= set(about)


def test_existing_song_is_kept(rendered_seeds: list[int], tmp_path: Path) -> None:
    writing.write_song(7, "test", tmp_path)
    assert writing.write_song(7, "test", tmp_path) is None
    assert rendered_seeds == [7]


def test_failed_write_leaves_no_folder(
    rendered_seeds: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writing.np, "save", disk_full)
        with pytest.raises(OSError, match="No space"):
            writing.write_song(8, "test", tmp_path)
    assert not list(tmp_path.iterdir())
    assert writing.write_song(8, "test", tmp_path) == tmp_path / "test-8"


def test_wav_files_equal_arrays(rendered_seeds: list[int], tmp_path: Path) -> None:
    arrays = writing.write_song(3, "train", tmp_path / "arrays")
    sounds = writing.write_song(3, "train", tmp_path / "sounds", wav=True)
    assert arrays is not None
    assert sounds is not None
    with Decoder(sounds / "bass.wav") as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    difference = decoded.T * 32_768 - np.load(arrays / "bass.npy")
    assert np.abs(difference).max() <= 1
