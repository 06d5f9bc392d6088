"""Previews: the chunks are exact to the sample, and the waveform matches audiowaveform's format."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.audio.sounds import Sound, decode, noise

from unbraid.audio.encode import Encoder
from unbraid.errors import Cancelled, OutputError
from unbraid.jobs import preview


def make(
    folder: Path, sound: Sound, rate: int = 8000, format: str = "wav"
) -> tuple[Path, bytes, dict[str, Any]]:
    """Write a stem and its previews; return the stem, the chunks and the JSON."""
    stem = folder / f"vocals.{format}"
    with Encoder(
        stem, sample_rate=rate, channels=sound.shape[0], format=format, samples=sound.shape[1]
    ) as encoder:
        encoder.write(sound)
    preview.make(stem, folder / "vocals.play", folder / "vocals.peaks.json")
    return stem, (folder / "vocals.play").read_bytes(), json.loads((folder / "vocals.peaks.json").read_text())


def decode_flac(flac: bytes) -> Sound:
    """Return the samples of a FLAC file, (channels, n), at full scale 1."""
    with av.open(io.BytesIO(flac)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        channels = container.streams.audio[0].channels
    return np.concatenate(frames, axis=1).reshape(-1, channels).T.astype(np.float32) / 2**15


@pytest.mark.parametrize("samples", [1, 39_999, 40_000, 40_001, 90_123])
@pytest.mark.parametrize("channels", [1, 2])
def test_chunks_equal_the_stem_exactly(tmp_path: Path, samples: int, channels: int) -> None:
    sound = noise(samples, channels)
    stem, blob, described = make(tmp_path, sound)
    play = described["play"]
    offsets = play["offsets"]
    pieces = [decode_flac(blob[begin:end]) for begin, end in pairwise(offsets)]
    assert play["chunk_samples"] == 5 * 8000
    assert play["samples"] == samples
    assert offsets[0] == 0
    assert offsets[-1] == described["fine"]["offset"] == len(blob) - 2 * described["fine"]["length"]
    assert [piece.shape[1] for piece in pieces[:-1]] == [40_000] * (len(pieces) - 1)
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), decode(stem))


@pytest.mark.parametrize("format", ["flac", "mp3", "m4a", "opus"])
def test_preview_length_equals_stem_length_in_every_format(tmp_path: Path, format: str) -> None:
    stem, _, described = make(tmp_path, noise(100_000, 2), 44100, format)
    assert described["play"]["samples"] == decode(stem).shape[1]


def test_resamples_rates_that_browsers_cannot_play(tmp_path: Path) -> None:
    _, blob, described = make(tmp_path, noise(4000, 1), 4000)
    assert described["sample_rate"] == 8000
    assert decode_flac(blob).shape == (1, 8000)


@pytest.mark.parametrize("samples", [1, 63, 64, 65, 6400, 4000 * 64 - 1, 4000 * 64, 700_001])
def test_waveform_follows_the_format_of_audiowaveform(tmp_path: Path, samples: int) -> None:
    sound = noise(samples, 2).copy()
    sound[:, samples // 2] = 0.9, -0.9  # opposite channels don't cancel out
    _, _, described = make(tmp_path, sound)
    per = described["samples_per_pixel"]
    assert list(described) == [
        "version",
        "channels",
        "sample_rate",
        "samples_per_pixel",
        "bits",
        "length",
        "data",
        "play",
        "fine",
    ]
    assert (described["version"], described["channels"], described["bits"]) == (2, 1, 8)
    assert described["length"] == -(-samples // per) == len(described["data"]) // 2 <= preview.MOST_PAIRS
    starts = range(0, samples, per)
    stored = np.rint(sound * 2**15) / 2**15
    for row, pick in enumerate((np.min, np.max)):
        expected = [np.rint(pick(stored[:, start : start + per]) * 128) for start in starts]
        assert described["data"][row::2] == np.clip(expected, -128, 127).tolist()


@pytest.mark.parametrize("samples", [1, 255, 256, 257, 700_001])
def test_a_finer_waveform_follows_the_chunks(tmp_path: Path, samples: int) -> None:
    sound = noise(samples, 2)
    _, blob, described = make(tmp_path, sound)
    fine = described["fine"]
    levels = np.frombuffer(blob[fine["offset"] :], np.int8).reshape(-1, 2)
    assert len(levels) == fine["length"] == -(-samples // fine["samples_per_pixel"])
    stored = np.rint(sound * 2**15) / 2**15
    starts = range(0, samples, fine["samples_per_pixel"])
    for row, pick in enumerate((np.min, np.max)):
        expected = [pick(stored[:, start : start + fine["samples_per_pixel"]]) for start in starts]
        np.testing.assert_array_equal(levels[:, row], np.clip(np.rint(np.array(expected) * 128), -128, 127))


def test_beats_are_in_the_json_if_there_are_any(tmp_path: Path) -> None:
    stem, _, described = make(tmp_path, noise(4000, 1))
    assert "beats" not in described
    preview.make(stem, tmp_path / "a.play", tmp_path / "a.json", beats=np.array([0.25, 0.7501]))
    assert json.loads((tmp_path / "a.json").read_text())["beats"] == [0.25, 0.75]


def test_long_songs_have_no_more_pairs_than_short_ones() -> None:
    waveform = preview.Waveform()
    silence, tick = np.zeros((2, 441_000), np.float32), np.zeros((2, 441_000), np.float32)
    tick[0, 5] = 0.5
    for number in range(360):  # an hour at 44.1 kHz
        waveform.add(tick if number == 180 else silence)
    described = waveform.to_json(44100)
    highest = np.array(described["data"][1::2])
    per = described["samples_per_pixel"]
    assert preview.MOST_PAIRS / 2 <= described["length"] <= preview.MOST_PAIRS
    assert highest.nonzero()[0].tolist() == [(180 * 441_000 + 5) // per]
    assert highest.max() == 64


def test_stopping_leaves_no_files(tmp_path: Path) -> None:
    stem, *_ = make(tmp_path, noise(90_000, 1))
    reported = []

    def stop(seconds: float) -> None:
        reported.append(seconds)
        raise Cancelled

    with pytest.raises(Cancelled):
        preview.make(stem, tmp_path / "a.play", tmp_path / "a.peaks.json", stop)
    assert reported == [5.0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "vocals.peaks.json",
        "vocals.play",
        "vocals.wav",
    ]


def test_full_disk_raises_and_leaves_no_files(tmp_path: Path, tiny_disk: Path) -> None:
    stem, *_ = make(tmp_path, noise(2_000_000, 1, seed=1), 44100)
    with pytest.raises(OutputError, match="full"):
        preview.make(stem, tiny_disk / "a.play", tiny_disk / "a.peaks.json")
    assert list(tiny_disk.iterdir()) == []
