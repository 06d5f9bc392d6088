"""A song for the tests, rendered once because rendering is slow."""

from functools import lru_cache

import pytest

from training.songs import render
from training.voices import VoiceBank


@lru_cache(maxsize=1)
def _computed() -> VoiceBank:
    return VoiceBank.computed()


@lru_cache(maxsize=4)
def _song(seed: int) -> render.Song:
    return render.render(seed, "test", _computed())


@pytest.fixture
def bank() -> VoiceBank:
    return _computed()


@pytest.fixture
def song() -> render.Song:
    return _song(3)
