"""Silent segments skip the network, and the stems differ inaudibly from those with the network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.separation.conftest import level_db, noise
from tests.separation.known_models import SEGMENT, SOURCES, bag_of, loudness_model

from unbraid import Separator
from unbraid.errors import Cancelled
from unbraid.separation import Progress, estimates
from unbraid.separation.network import Network
from unbraid.separation.overlap import plan_segments
from unbraid.separation.silence import INAUDIBLE

STEP = 2.0**-15  # one step of 16 bits


@pytest.fixture
def network_inputs(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The peak of the input of each call of a network."""
    peaks: list[float] = []
    estimate = Network.estimate

    def record(network: Network, mixture: np.ndarray, sources: Sequence[int]) -> np.ndarray:
        peaks.append(float(np.abs(mixture).max()))
        return estimate(network, mixture, sources)

    monkeypatch.setattr(Network, "estimate", record)
    return peaks


@pytest.fixture
def without_skipping(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Separator, np.ndarray], dict[str, np.ndarray]]:
    """Separates without skipping silence: no level counts as silent."""

    def separate(separator: Separator, song: np.ndarray) -> dict[str, np.ndarray]:
        with monkeypatch.context() as patch:
            patch.setattr(estimates, "silence_level", lambda deviation: -1.0)
            return dict(separator.separate(song))

    return separate


@pytest.fixture(scope="module")
def unpadded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The loudness model as a network that reads the short last segments without padding."""
    return loudness_model(tmp_path_factory.mktemp("models") / "unpadded", fixed_length=False)


def music(samples: int) -> np.ndarray:
    """Return loud noise without a DC offset, (2, samples)."""
    drawn = np.random.default_rng(0).uniform(-0.9, 0.9, (1, samples))
    centred = drawn - drawn.mean() if samples else drawn
    return np.repeat(centred, 2, axis=0).astype(np.float32)


def dither(samples: int, steps: int) -> np.ndarray:
    """Return 16-bit dither of up to `steps` steps, (2, samples)."""
    return (np.random.default_rng(1).integers(-steps, steps + 1, (2, samples)) * STEP).astype(np.float32)


def difference_db(stem: np.ndarray, expected: np.ndarray) -> float:
    """Return the energy of the difference relative to the stem, in dB."""
    return float(10 * np.log10(np.square(stem - expected).sum() / np.square(expected).sum() + 1e-30))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.integers(0, 4 * SEGMENT),
    silent=st.integers(1, 8 * SEGMENT),
    after=st.integers(0, 4 * SEGMENT),
    steps=st.integers(0, 2),
    overlap=st.sampled_from([0.0, 0.25, 0.5]),
    shifts=st.sampled_from([0, 2]),
    jobs=st.integers(1, 2),
    folder=st.sampled_from(["loudness_folder", "unpadded_folder"]),
)
def test_skipping_silence_changes_no_stem_by_more_than_minus_60_db(
    before: int,
    silent: int,
    after: int,
    steps: int,
    overlap: float,
    shifts: int,
    jobs: int,
    folder: str,
    request: pytest.FixtureRequest,
    without_skipping: Callable[[Separator, np.ndarray], dict[str, np.ndarray]],
) -> None:
    song = np.concatenate([music(before), dither(silent, steps), music(after)], axis=1)
    separator = Separator(
        request.getfixturevalue(folder), overlap=overlap, shifts=shifts, jobs=jobs, threads=1
    )
    stems, expected = separator.separate(song), without_skipping(separator, song)
    for name in SOURCES:
        if expected[name].any():
            assert difference_db(stems[name], expected[name]) < -60
        else:
            assert not stems[name].any()


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_skips_exactly_the_segments_that_read_only_silence(
    loudness_folder: Path, network_inputs: list[float], steps: int
) -> None:
    parts = [(dither, 4), (music, 3), (dither, 5), (music, 3), (dither, 5)]  # in segments
    song = np.concatenate(
        [
            music(length * SEGMENT) if kind is music else dither(length * SEGMENT, steps)
            for kind, length in parts
        ],
        axis=1,
    )
    loud = np.repeat([kind is music for kind, _ in parts], [length * SEGMENT for _, length in parts])
    Separator(loudness_folder, threads=1).separate(song)
    segments = list(plan_segments(20 * SEGMENT, SEGMENT, 0.25))
    audible = [part for part in segments if loud[max(0, part.read_start) : part.read_stop].any()]
    assert 8 < len(audible) < len(segments) - 8
    assert len(network_inputs) == len(audible)


def test_stems_of_the_bundled_model_change_inaudibly(
    network_inputs: list[float], without_skipping: Callable[[Separator, np.ndarray], dict[str, np.ndarray]]
) -> None:
    time_s = np.arange(4 * 44100) / 44100
    tones = 0.15 * np.sin(2 * np.pi * 110 * time_s) + 0.15 * np.sign(np.sin(2 * np.pi * 440 * time_s))
    song = (tones + noise(2, len(time_s)) * np.exp(-20 * (time_s % 0.5))).astype(np.float32)
    song[:, 44100 : 3 * 44100] = dither(2 * 44100, 1)
    separator = Separator("lite", segment_s=0.5, threads=1)
    stems = separator.separate(song)
    skipped = len(network_inputs)
    expected = without_skipping(separator, song)
    assert skipped < len(network_inputs) - skipped
    for name in SOURCES:
        assert difference_db(stems[name], expected[name]) < -60
        # The difference is inaudible everywhere, also at the borders between computed and skipped segments.
        assert np.abs(stems[name] - expected[name]).max() < INAUDIBLE


def test_a_quiet_song_is_separated_like_a_loud_one(
    loudness_folder: Path, network_inputs: list[float]
) -> None:
    loud = noise(2, 4 * SEGMENT, peak=1)
    loud[:, SEGMENT : 3 * SEGMENT] *= 0.01
    quiet = np.float32(10 ** (-70 / 20))
    separator = Separator(loudness_folder, threads=1)
    expected, stems = separator.separate(loud), separator.separate(loud * quiet)
    assert len(network_inputs) == 2 * len(list(plan_segments(4 * SEGMENT, SEGMENT, 0.25)))
    for name in SOURCES:
        assert level_db(stems[name] / quiet - expected[name], expected[name]) < -60


def test_a_song_of_dither_is_separated(separator: Separator) -> None:
    song = dither(3 * SEGMENT, 1)
    assert level_db(separator.separate(song)["bass"] - np.float32(np.float16(0.3)) * song, song) < -100


def test_a_single_sample_within_silence_is_separated(separator: Separator) -> None:
    song = np.concatenate([music(3 * SEGMENT), dither(9 * SEGMENT, 0), music(3 * SEGMENT)], axis=1)
    song[:, 7 * SEGMENT] = 4 * STEP
    drums = separator.separate(song)["drums"][:, 7 * SEGMENT]
    assert drums == pytest.approx(0.4 * 4 * STEP, rel=1e-2)


def test_a_model_without_normalisation_skips_only_zeros(tmp_path: Path, network_inputs: list[float]) -> None:
    separator = Separator(loudness_model(tmp_path, normalise=False), threads=1)
    separator.separate(dither(4 * SEGMENT, 1))
    assert len(network_inputs) == len(list(plan_segments(4 * SEGMENT, SEGMENT, 0.25)))
    separator.separate(np.zeros((2, 4 * SEGMENT), np.float32))
    assert min(network_inputs) > 0


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks: the first estimates all stems, the second only other and vocals."""
    weights: dict[str, Any] = {"one": (1.0, 1.0, 0.5, 0.2), "two": (0.0, 0.0, 0.5, 0.8)}
    return bag_of(tmp_path_factory.mktemp("models"), weights, loudness_model)


def test_a_bag_skips_silence_and_reports_progress_through_it(
    bag: Path,
    network_inputs: list[float],
    without_skipping: Callable[[Separator, np.ndarray], dict[str, np.ndarray]],
) -> None:
    song = np.concatenate([music(SEGMENT), dither(9 * SEGMENT, 1), music(2 * SEGMENT)], axis=1)
    reports: list[float] = []

    def note(report: Progress) -> None:
        reports.append(report.fraction)

    separator = Separator(bag, shifts=2, threads=1)
    stems = separator.separate(song, progress=note)
    skipped = len(network_inputs)
    expected = without_skipping(separator, song)
    assert skipped < (len(network_inputs) - skipped) / 2
    assert all(difference_db(stems[name], expected[name]) < -60 for name in SOURCES)
    assert reports == sorted(reports)
    assert reports[-1] == 1.0
    assert len({share for share in reports if 0.2 < share < 0.4}) > 3


def test_a_silent_song_needs_no_network_and_can_be_cancelled(bag: Path, network_inputs: list[float]) -> None:
    song = np.zeros((2, 50 * SEGMENT), np.float32)
    stop = threading.Event()

    def cancel(report: Progress) -> None:
        if report.stage == "separating" and report.fraction > 0.5:
            stop.set()

    separator = Separator(bag, threads=1)
    with pytest.raises(Cancelled):
        separator.separate(song, progress=cancel, cancel=stop)
    assert not any(stem.any() for stem in separator.separate(song).values())
    assert not network_inputs
