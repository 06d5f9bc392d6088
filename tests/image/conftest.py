"""The image that the steps of the Dockerfile make in a chroot, built once for all tests, and a song."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import WriteWave
from tests.image.chroot import debian, mirror
from tests.image.steps import Stage, Steps

ROOT = Path(__file__).parents[2]
RELEASE = "bookworm"


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    if "image" not in request.config.option.markexpr:
        pytest.skip("takes minutes: ./test -m image")
    if os.geteuid() != 0 or shutil.which("debootstrap") is None or not mirror(RELEASE):
        pytest.skip("takes root, debootstrap (sudo apt install debootstrap) and a mirror of Debian 12")
    folder = tmp_path_factory.mktemp("image")
    folder.chmod(0o755)
    try:
        debian(folder / "base", RELEASE)
        arguments = {"DEVICE": "cpu", "MODELS": "spleeter spleeter_lite"}
        yield Steps(ROOT / "Dockerfile", folder / "base", folder / "stages", arguments).image()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def models(image: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a copy of the image's models on this machine."""
    shutil.copytree(image.root / "opt/models", tmp_path / "cache")
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def song(tmp_path: Path, write_wave: WriteWave) -> Path:
    return write_wave(tmp_path / "song.wav", 3.0)
