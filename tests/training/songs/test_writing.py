"""Songs on disk are whole or absent, and what is there is not made again."""

import json
from pathlib import Path

import numpy as np
import pytest
from training.songs.render import STEMS, Song

from training.songs import writing
from unbraid.audio.decode import Decoder


@pytest.fixture
def quick(song: Song, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Writing without the time that rendering takes: the song is one rendered before. Lists the seeds asked for."""
    asked: list[int] = []

    def rendered(seed: int, split: str, bank: object) -> Song:
        asked.append(seed)
        return song

    monkeypatch.setattr(writing, "render", rendered)
    monkeypatch.setattr(writing, "bank_from", lambda folder: None)
    return asked


def test_stems_come_back_as_written(quick: list[int], song: Song, tmp_path: Path) -> None:
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


def test_a_song_that_is_there_is_not_made_again(quick: list[int], tmp_path: Path) -> None:
    writing.write_song(7, "test", tmp_path)
    assert writing.write_song(7, "test", tmp_path) is None
    assert quick == [7]


def test_a_failure_leaves_nothing_behind_that_looks_whole(
    quick: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writing.np, "save", full)
        with pytest.raises(OSError, match="No space"):
            writing.write_song(8, "test", tmp_path)
    assert not list(tmp_path.iterdir())
    assert writing.write_song(8, "test", tmp_path) == tmp_path / "test-8"


def test_sound_files_hold_the_same_song(quick: list[int], tmp_path: Path) -> None:
    arrays = writing.write_song(3, "train", tmp_path / "arrays")
    sounds = writing.write_song(3, "train", tmp_path / "sounds", wav=True)
    assert arrays is not None
    assert sounds is not None
    with Decoder(sounds / "bass.wav") as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    difference = decoded.T * 32_768 - np.load(arrays / "bass.npy")
    assert np.abs(difference).max() <= 1
