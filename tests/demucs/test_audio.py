"""`save_audio` writes the same files as that of demucs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import demucs.audio
import numpy as np
import pytest
import torch
from tests.separation.conftest import noise, read

from unbraid.audio.probe import probe
from unbraid.demucs.audio import save_audio
from unbraid.errors import OutputError, SettingError

LOUD = noise(2, 30000, peak=2.5)
QUIET = noise(2, 30000, peak=0.5)


@pytest.mark.parametrize("sound", [LOUD, QUIET], ids=["loud", "quiet"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clip": "clamp"},
        {"clip": "tanh"},
        {"clip": "none"},
        {"clip": None},
        {"bits_per_sample": 24},
        {"as_float": True},
        {"clip": "tanh", "as_float": True},
    ],
    ids=str,
)
def test_wav_files_have_the_samples_of_demucs(
    options: dict[str, Any], sound: np.ndarray, tmp_path: Path
) -> None:
    save_audio(sound, tmp_path / "ours.wav", 44100, **options)
    demucs.audio.save_audio(torch.from_numpy(sound), tmp_path / "theirs.wav", 44100, **options)
    assert probe(tmp_path / "ours.wav").codec == probe(tmp_path / "theirs.wav").codec
    # demucs truncates samples to integers, we round.
    steps = 2 / 2**15 if options.get("bits_per_sample") != 24 else 4 / 2**23
    difference = read(tmp_path / "ours.wav") - read(tmp_path / "theirs.wav")
    assert np.abs(difference).max() <= (1e-6 if "as_float" in options else steps)


@pytest.mark.parametrize(
    ("name", "options", "codec"),
    [
        ("x.flac", {}, "flac"),
        ("x.flac", {"bits_per_sample": 24}, "flac"),
        ("x.flac", {"as_float": True}, "flac"),
        ("x.MP3", {"bitrate": 128, "preset": 7}, "mp3"),
        ("x.mp3", {"as_float": True, "bits_per_sample": 24}, "mp3float"),
    ],
    ids=str,
)
def test_other_formats_have_the_sound_of_demucs(
    name: str, options: dict[str, Any], codec: str, tmp_path: Path
) -> None:
    for side, save in (("ours", save_audio), ("theirs", demucs.audio.save_audio)):
        (tmp_path / side).mkdir()
        save(torch.from_numpy(QUIET.copy()), tmp_path / side / name, 44100, **options)
    ours, theirs = (probe(tmp_path / side / name) for side in ("ours", "theirs"))
    assert (ours.codec, ours.sample_rate, ours.channels) == (
        theirs.codec,
        theirs.sample_rate,
        theirs.channels,
    )
    assert read(tmp_path / "ours" / name).shape == (2, 30000)


def test_32_bits_are_float(tmp_path: Path) -> None:
    save_audio(QUIET, tmp_path / "x.wav", 44100, bits_per_sample=32)
    assert np.array_equal(read(tmp_path / "x.wav"), QUIET)


@pytest.mark.parametrize("format", ["m4a", "opus"])
def test_writes_more_formats_than_demucs(format: str, tmp_path: Path) -> None:
    save_audio(QUIET, str(tmp_path / f"x.{format}"), 48000)
    assert read(tmp_path / f"x.{format}").shape == (2, 30000)


@pytest.mark.parametrize("sound", [QUIET[:1], QUIET[0], torch.from_numpy(QUIET[:1]).double()], ids=type)
def test_writes_mono(sound: Any, tmp_path: Path) -> None:
    save_audio(sound, tmp_path / "x.wav", 44100, as_float=True)
    assert np.array_equal(read(tmp_path / "x.wav"), QUIET[:1])


@pytest.mark.parametrize(
    ("name", "options", "word"),
    [
        ("x.wma", {}, r"x\.wma has no known extension\. End it with \.wav"),
        ("x", {}, "no known extension"),
        ("x.wav", {"clip": "loud"}, "no clip mode 'loud'"),
        ("x.wav", {"bits_per_sample": 8}, "16, 24 or 32"),
        ("x.mp3", {"bitrate": 9999}, "kbit/s"),
    ],
    ids=str,
)
def test_invalid_options_are_errors_and_leave_no_file(
    name: str, options: dict[str, Any], word: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=word):
        save_audio(QUIET, tmp_path / name, 44100, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        save_audio(QUIET, tmp_path / "nowhere" / "x.wav", 44100)


def test_does_not_change_the_samples(tmp_path: Path) -> None:
    sound = torch.from_numpy(LOUD.copy())
    save_audio(sound, tmp_path / "x.wav", 44100, clip="clamp")
    assert np.array_equal(sound.numpy(), LOUD)
