"""Run `unbraid separate` in tests, and write songs for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unbraid.audio.encode import Encoder
from unbraid.cli.main import main
from unbraid.separation.song_record import RECORD

Separate = Callable[..., int]


@pytest.fixture
def separate(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Separate:
    """Run `unbraid separate` in `tmp_path` with the known model; returns its exit code."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> int:
        return main(["separate", "-m", str(model_folder), *map(str, arguments)])

    return run


def stems_in(folder: Path) -> list[str]:
    """Return the names of all files and folders in `folder`, except the record of the song."""
    return sorted(path.name for path in folder.iterdir() if path.name != RECORD)


def write(path: Path, sound: NDArray[np.float32]) -> None:
    """Write a float WAV of (channels, samples)."""
    with Encoder(path, sample_rate=44100, channels=len(sound), subtype="float") as file:
        file.write(sound)
