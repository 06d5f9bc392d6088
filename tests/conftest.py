"""Fixtures for tests of several parts: generated songs, and a model with a known result."""

from __future__ import annotations

import os
import signal
import subprocess
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.postgres import postgres_server, postgres_url
from tests.separation.known_models import spectral_model
from tests.simulators.moto_server import aws, moto_url

__all__ = ["aws", "moto_url", "postgres_server", "postgres_url"]

WriteWave = Callable[..., Path]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests that take long or need another browser, unless `-m` names their marker.

    A failed test in Chromium runs once more: a browser misses deadlines of its sound on a busy machine. The summary
    counts reruns.
    """
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=1))
    reasons = {
        "long": "takes longer",
        "stress": "takes longer",
        "firefox": "needs Firefox",
        "webkit": "needs WebKit",
    }
    for marker, reason in reasons.items():
        if marker not in config.option.markexpr:
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.skip(reason=f"{reason}: ./test -m {marker}"))


@pytest.fixture(scope="session", autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Use an empty cache, no models of the user's own and no network, in child processes too."""
    cache, models = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "UNBRAID_CACHE", str(cache))
        patch.setitem(os.environ, "UNBRAID_OWN_MODELS", str(models))
        patch.setitem(os.environ, "UNBRAID_OFFLINE", "1")
        yield cache


@pytest.fixture(scope="session", autouse=True)
def handle_ctrl_c() -> None:
    """React to SIGINT, also if a script started the tests in the background, which makes processes ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user can't mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folder whose stems are 0.4 (drums), 0.3 (bass), 0.2 (other) and 0.1 (vocals) of the mixture."""
    return spectral_model(tmp_path_factory.mktemp("known-model") / "gains")


@pytest.fixture(scope="session")
def write_wave() -> WriteWave:
    """Function that writes a seeded chord with a beat of noise as a 16-bit WAV and returns its path."""

    def write(path: Path, seconds: float = 2.0, sample_rate: int = 44100, channels: int = 2) -> Path:
        t = np.arange(round(seconds * sample_rate)) / sample_rate
        chord = sum(0.1 * np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6))
        beat = 0.2 * np.random.default_rng(0).standard_normal(len(t)) * np.exp(-20 * (t % 0.5))
        samples = np.clip((chord + beat) * 32767, -32768, 32767).astype("<i2")
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((channels, 2, sample_rate, 0, "NONE", ""))
            file.writeframes(np.repeat(samples[:, None], channels, axis=1).tobytes())
        return path

    return write
