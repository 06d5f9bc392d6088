"""Datasets, batches and training runs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from unbraid.models.lite import SAMPLE_RATE, LiteConfig
from unbraid.networks.checkpoint import Average, averaged_network, load
from unbraid.networks.lite import SOURCES, Lite
from unbraid.training.augment import Augmentation
from unbraid.training.dataset import OTHER, VOCALS, BackingMix, Batches, SongPool, SoundPool
from unbraid.training.train import Recipe, rate, train

SMALL = LiteConfig(widths=(8, 16, 24), bottom=1, hidden=16)


def write_song(folder: Path, name: str, seconds: float, seed: int) -> None:
    """Write a song of four sounds that hardly overlap: clicks, and low, middle and high tones."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    clicks = np.zeros_like(time)
    clicks[:: SAMPLE_RATE // 4] = 1
    sounds = {
        "drums": clicks,
        "bass": 0.3 * np.sin(2 * np.pi * rng.uniform(50, 80) * time),
        "other": 0.1 * np.sin(2 * np.pi * rng.uniform(2000, 3000) * time),
        "vocals": 0.1 * np.sin(2 * np.pi * rng.uniform(400, 700) * time),
    }
    (folder / name).mkdir(parents=True)
    for source, sound in sounds.items():
        np.save(folder / name / f"{source}.npy", (np.tile(sound[:, None], 2) * 32_000).astype(np.int16))
    (folder / name / "song.json").write_text("{}")


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("songs")
    for index in range(3):
        write_song(folder, f"train-{index}", 5, index)
    write_song(folder, "test-0", 13, 99)
    return folder


def test_crops_are_padded_with_silence(songs: Path) -> None:
    pool = SongPool(songs, "train")
    stem = np.load(songs / "train-0" / "vocals.npy").T / 32_768
    crop = pool.crop(0, SOURCES.index("vocals"), 4 * SAMPLE_RATE, 2 * SAMPLE_RATE)
    np.testing.assert_allclose(crop[:, :SAMPLE_RATE], stem[:, 4 * SAMPLE_RATE :], atol=1e-6)
    assert not crop[:, SAMPLE_RATE:].any()


def test_refresh_adds_songs_of_the_split(tmp_path: Path) -> None:
    write_song(tmp_path, "train-0", 1, 0)
    pool = SongPool(tmp_path, "train")
    write_song(tmp_path, "train-1", 1, 1)
    write_song(tmp_path, "test-0", 1, 2)
    pool.refresh()
    assert len(pool.songs) == 2
    assert len(SongPool(tmp_path, "test").songs) == 1


def test_rejects_folder_without_songs(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"training\.songs"):
        SongPool(tmp_path, "train")


def test_seed_decides_batches(songs: Path) -> None:
    pool = SongPool(songs, "train")
    first, again, other = (Batches(pool, 2, 8192, seed, Augmentation()).draw(0) for seed in (1, 1, 2))
    assert first.stems.shape == (2, 4, 2, 8192)
    assert np.array_equal(first.stems, again.stems)
    assert not np.array_equal(first.stems, other.stems)
    assert not first.backed.any()


@pytest.fixture(scope="module")
def backings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Backings of noise."""
    folder: Path = tmp_path_factory.mktemp("backings")
    rng = np.random.default_rng(0)
    for name in ("train-a", "test-b"):
        np.save(folder / f"{name}.npy", (3000 * rng.standard_normal((8 * SAMPLE_RATE, 2))).astype(np.int16))
    return folder


def test_some_items_are_voices_over_backings(songs: Path, backings: Path) -> None:
    backing_mix = BackingMix(SoundPool(backings, "train"), SoundPool(backings, "train"), share=0.5)
    batches = Batches(
        SongPool(songs, "train"), 8, 8192, 1, Augmentation(drop_chance=0), backing_mix=backing_mix
    )
    draws = [batches.draw(number) for number in range(4)]
    backed = np.concatenate([draw.backed for draw in draws])
    stems = np.concatenate([draw.stems for draw in draws])[backed]
    assert 0 < backed.sum() < len(backed)
    assert not stems[:, [0, 1]].any()
    levels_db = 10 * np.log10(np.mean(stems[:, VOCALS] ** 2, (1, 2)) / np.mean(stems[:, OTHER] ** 2, (1, 2)))
    assert -19 < levels_db.min() < levels_db.max() < 7


def test_sound_pool_refreshes_and_rejects_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train"):
        SoundPool(tmp_path, "train")
    np.save(tmp_path / "train-a.npy", np.zeros((10, 2), np.int16))
    pool = SoundPool(tmp_path, "train")
    np.save(tmp_path / "train-b.npy", np.zeros((10, 2), np.int16))
    pool.refresh()
    assert len(pool.sounds) == 2
    assert pool.crop(np.random.default_rng(0), 50).shape == (2, 50)


def test_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [rate(share, 1.0) for share in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1, abs=1e-3)
    assert rates[0] < 0.05
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_average_converges_to_weights() -> None:
    network = Lite()
    average = Average(network, decay=0.5)
    with torch.no_grad():
        network.masks.bias.fill_(1.0)
    for _ in range(30):
        average.update(network)
    torch.testing.assert_close(average.network.masks.bias, network.masks.bias)
    assert not average.network.training


def test_short_run_learns_and_resumes(songs: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    checkpoint = train(Recipe(songs, tmp_path, steps=40, batch=2, device="cpu", config=SMALL))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[-1]["steps"] == 40
    assert log[-1]["sdr_db"]["bass"] > 3  # an untrained network, with masks of a quarter, has 1.2 dB or less
    train(Recipe(songs, tmp_path, steps=42, batch=2, device="cpu", config=SMALL))
    assert load(checkpoint)["state"]["steps"] == 42
    assert not averaged_network(checkpoint).training


def test_trains_and_scores_with_backings(songs: Path, backings: Path, tmp_path: Path) -> None:
    train(Recipe(songs, tmp_path, steps=2, batch=2, device="cpu", config=SMALL, backings=backings))
    scores = json.loads((tmp_path / "log.jsonl").read_text())["sdr_db"]
    assert {"backed", "accompaniment", "all"} < scores.keys()
    assert scores["accompaniment"] > scores["backed"]  # the backing is louder
