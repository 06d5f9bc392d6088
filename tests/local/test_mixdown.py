"""Mixes are made in a separate process and written atomically."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import decode, noise
from tests.audio.tagged import tags_of

from unbraid.audio.encode import Encoder
from unbraid.audio.probe import probe
from unbraid.errors import OutputError, SettingError, UnbraidError, http_status
from unbraid.local.mixdown import mix


@pytest.fixture(autouse=True)
def source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process import the package."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "src"))


def stem(path: Path, samples: int = 30_000, seed: int = 0, **options: object) -> Path:
    with Encoder(path, sample_rate=8000, channels=2, tags=tags_of({"title": "Song"}), **options) as encoder:  # type: ignore[arg-type]
        encoder.write(noise(samples, 2, seed))
    return path


def test_mixes_stems_by_their_gains_without_reading_silent_ones(tmp_path: Path) -> None:
    one, two = stem(tmp_path / "a.wav", seed=1), stem(tmp_path / "b.wav", seed=2)
    out = tmp_path / "mix.flac"
    asyncio.run(mix([(one, 0.25), (two, 1.5), (tmp_path / "missing.wav", 0.0)], out, "flac"))
    np.testing.assert_allclose(decode(out), 0.25 * decode(one) + 1.5 * decode(two), atol=2**-15)
    assert probe(out).tags.text("title") == "Song"


@pytest.mark.parametrize(
    ("stems", "format", "depth"),
    [
        ("16", "flac", "16"),
        ("24", "flac", "24"),
        ("24", "wav", "24"),
        ("float", "wav", "float"),
        ("24", "mp3", "16"),
    ],
)
def test_mix_is_as_deep_as_its_stems(tmp_path: Path, stems: str, format: str, depth: str) -> None:
    one, two = (stem(tmp_path / f"{name}.wav", subtype=stems) for name in ("a", "b"))
    out = tmp_path / f"mix.{format}"
    asyncio.run(mix([(one, 1.0), (two, 1.0)], out, format))
    assert probe(out).depth == depth


@pytest.mark.parametrize(
    ("gains", "words"),
    [([0.0, 0.0], "silent"), ([2.5, 1.0], "level"), ([-1.0, 1.0], "level"), ([float("nan"), 1], "level")],
)
def test_rejects_invalid_gains(tmp_path: Path, gains: list[float], words: str) -> None:
    stems = [(tmp_path / "a.wav", gains[0]), (tmp_path / "b.wav", gains[1])]
    with pytest.raises(SettingError, match=words):
        asyncio.run(mix(stems, tmp_path / "mix.wav", "wav"))


def test_reports_a_full_disk_without_its_path(tmp_path: Path, tiny_disk: Path) -> None:
    long = stem(tmp_path / "a.wav", 300_000)
    with pytest.raises(OutputError, match="no disk space left") as error:
        asyncio.run(mix([(long, 1.0)], tiny_disk / "mix.wav", "wav"))
    assert str(tiny_disk) not in error.value.message
    assert list(tiny_disk.iterdir()) == []


def test_a_cancelled_mix_stops_and_leaves_no_files(tmp_path: Path) -> None:
    long = stem(tmp_path / "a.wav", 8000 * 600)
    out = tmp_path / "out"
    out.mkdir()

    async def leave() -> None:
        task = asyncio.create_task(mix([(long, 1.0)], out / "mix.mp3", "mp3"))
        while not list(out.iterdir()):
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert list(out.iterdir()) == []


def test_reports_an_internal_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UnbraidError, match="The mix failed") as error:
        asyncio.run(mix([(stem(tmp_path / "a.wav"), 1.0)], tmp_path / "mix.wav", "wav"))
    assert http_status(error.value) == 500
