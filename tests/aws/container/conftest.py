"""What tests of the container share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.aws.container.room import Room
from tests.conftest import WriteWave


@pytest.fixture
def room(aws: str) -> Room:
    return Room()


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """A song of a second."""
    return write_wave(tmp_path_factory.mktemp("short") / "My Song.wav", 1.0)


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """A song that takes seconds, so that things can happen meanwhile."""
    return write_wave(tmp_path_factory.mktemp("long") / "long.wav", 25.0)
