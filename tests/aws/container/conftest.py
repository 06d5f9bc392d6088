"""Fixtures for tests of the container."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.aws.container.workspace import AwsWorkspace
from tests.conftest import WriteWave


@pytest.fixture
def workspace(aws: str) -> AwsWorkspace:
    return AwsWorkspace()


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """WAV file of one second."""
    return write_wave(tmp_path_factory.mktemp("short") / "My Song.wav", 1.0)


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """WAV file that takes seconds to separate, so that tests can act meanwhile."""
    return write_wave(tmp_path_factory.mktemp("long") / "long.wav", 60.0)
