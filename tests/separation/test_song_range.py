"""A part of a song equals the same part of the whole song's stems, and only its segments are computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.separation.conftest import WriteSong, level_db, noise, read
from tests.separation.known_models import SEGMENT, loudness_model
from tests.separation.test_bags import bag
from tests.separation.test_cascades import cascade
from tests.separation.test_stream_api import joined

from unbraid import Separator, Stems
from unbraid.audio.times import clock, seconds_of, time_range
from unbraid.errors import InputError, SettingError

__all__ = ["bag", "cascade"]

# Louder and louder, so that the part has another deviation than the song.
SONG = noise(2, 40 * SEGMENT + 11) * np.linspace(0.1, 1, 40 * SEGMENT + 11, dtype=np.float32)
SECONDS = SONG.shape[1] / 44100


def check(
    separator: Separator, rate: int, start: int, stop: int, samples: int = 5 * 44100, **options: Any
) -> Stems:
    """Check that samples `start` to `stop` equal those of the stems of the whole song, which has `samples`."""
    song = SONG[:, :samples]
    whole = separator.separate(song, rate, **options)
    part = separator.separate(song, rate, start=start / rate, end=stop / rate, **options)
    assert list(part) == list(whole)
    for name, stem in part.items():
        assert stem.shape == (2, stop - start)
        assert level_db(stem - whole[name][:, start:stop], song) < -110
    return part


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    start=st.integers(0, 180_000),
    samples=st.integers(1, 30000),
    overlap=st.sampled_from([0.0, 0.1, 0.25, 0.6]),
    shifts=st.sampled_from([0, 0, 2]),
)
def test_a_part_equals_the_same_samples_of_the_whole(
    loudness_folder: Path, start: int, samples: int, overlap: float, shifts: int
) -> None:
    separator = Separator(loudness_folder, overlap=overlap, shifts=shifts, seed=3, threads=1)
    part = check(separator, 44100, start, start + samples, stems="vocals")
    assert part["vocals"].any()


@pytest.mark.parametrize("rate", [48000, 22050, 32000, 96000, 44101])
@pytest.mark.parametrize(("start", "stop"), [(0, 700), (50_001, 61_234), (90_000, 100_000)])
@pytest.mark.parametrize("stems", [None, "no_vocals,drums+bass,mix"])
def test_a_part_has_the_phase_of_the_whole_at_other_rates(
    loudness_folder: Path, rate: int, start: int, stop: int, stems: str | None
) -> None:
    check(Separator(loudness_folder, threads=1), rate, start, stop, stems=stems)


@pytest.mark.parametrize("context", [False, True, "inside"])
def test_every_kind_of_context_at_the_ends_of_the_song(tmp_path: Path, context: bool | str) -> None:
    separator = Separator(loudness_model(tmp_path, fixed_length=context), threads=1)
    length = min(SONG.shape[1], 5 * 44100)
    for start, stop in ((0, 100), (length - 100, length), (length - 2 * SEGMENT, length - SEGMENT)):
        check(separator, 44100, start, stop, stems="vocals")


@pytest.mark.parametrize("rate", [44100, 48000])
def test_bags_ensembles_and_cascades(bag: Path, cascade: Path, tmp_path: Path, rate: int) -> None:
    for name, gains in (("a", (0.1, 0.2, 0.3, 0.4)), ("b", (0.4, 0.3, 0.2, 0.1))):
        loudness_model(tmp_path / name, gains, name=name)
    names = f"{tmp_path / 'a'}+{tmp_path / 'b'}"
    for separator in (
        Separator(bag, threads=1),
        Separator(cascade, threads=1),
        Separator(names, threads=1),
        Separator(names, combine="max", threads=1),
        Separator(names, combine="median", threads=1, shifts=1),
    ):
        check(separator, rate, 60_000, 69_999, samples=90_000)
        check(separator, rate, 100, 2_000, samples=30_000, stems="vocals")


def test_only_the_segments_of_the_part_are_computed(loudness_folder: Path, computed: list[int]) -> None:
    separator = Separator(loudness_folder, overlap=0.25, threads=1)
    middle = 20 * SEGMENT
    separator.separate(SONG, start=middle / 44100, end=(middle + 10) / 44100)
    assert len(computed) in (1, 2)
    separator.separate(SONG)
    assert len(computed) > 50


def test_pieces_and_files_of_a_part_equal_its_arrays(
    loudness_folder: Path, write_song: WriteSong, tmp_path: Path
) -> None:
    separator = Separator(loudness_folder, threads=1)
    path = write_song(SONG, 48000)
    options: dict[str, Any] = {"stems": "vocals,mix", "start": "0:01.5", "end": -1}
    stems = separator.separate(path, **options)
    found = joined(list(separator.stream(path, **options)))
    result = separator.separate_to_files(path, tmp_path / "out", **options)
    assert result.duration_s == pytest.approx(SONG.shape[1] / 48000 - 2.5, abs=1e-4)
    assert result.files["mix"] == tmp_path / "out" / "song (0m01.5s to -0m01s)" / "mix.wav"
    for name, stem in stems.items():
        assert np.array_equal(found[name], stem)
        assert np.array_equal(read(result.files[name]), stem)
    assert np.array_equal(stems["mix"], SONG[:, 72_000 : SONG.shape[1] - 48_000])


def test_files_at_another_rate_equal_the_same_part_of_the_whole(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    path = write_song(SONG, 48000)
    options: dict[str, Any] = {"stems": "vocals", "sample_rate": 32000, "channels": 1, "subtype": "float"}
    whole = separator.separate_to_files(path, tmp_path / "whole", **options).files
    part = separator.separate_to_files(path, tmp_path / "part", start=1.25, end=2.5, **options).files
    for name in ("vocals", "no_vocals"):
        expected = read(whole[name])[:, 40_000:80_000]
        assert read(part[name]).shape == (1, 40_000)
        assert level_db(read(part[name]) - expected, SONG) < -110


def test_a_part_keeps_the_stems_of_the_whole_song(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    path = write_song(SONG)
    whole = separator.separate_to_files(path, tmp_path / "out")
    part = separator.separate_to_files(path, tmp_path / "out", start=1)
    again = separator.separate_to_files(path, tmp_path / "out", start=1)
    assert whole.files["vocals"].parent.name == "song"
    assert part.files == again.files
    assert part.files["vocals"].parent.name == "song (0m01s to the end)"
    assert read(whole.files["vocals"]).shape == SONG.shape


def test_an_end_after_the_song_is_a_warning(separator: Separator) -> None:
    stems = separator.separate(SONG[:, :88200], start=1, end="1:35")
    assert stems["bass"].shape == (2, 44100)
    assert [str(one) for one in stems.warnings] == ["the array is 0:02 long; the part ends there."]


@pytest.mark.parametrize(
    ("start", "end", "error", "message"),
    [
        ("2:00", None, InputError, "is 0:02 long, and ends before 2:00"),
        ("0:01.5", "-0:01", InputError, "its part from 0:01.5 to -0:01 is empty"),
        (1, 1, SettingError, r"The end \(0:01\) must be after the start \(0:01\)"),
        (None, 0, SettingError, r"The end \(0:00\) must be after the start \(0:00\)"),
        (-1, -2, SettingError, "must be after the start"),
        ("one", None, SettingError, "The start must be seconds or minutes:seconds, such as 1:05, not 'one'"),
        (None, "1:75", SettingError, "The end must be seconds or minutes:seconds"),
        (float("nan"), None, SettingError, "The start must be seconds"),
        (True, None, SettingError, "The start must be seconds"),
        (1e300, None, SettingError, "The start must be seconds"),
        ("9" * 5000, None, SettingError, "The start must be seconds"),
    ],
)
def test_rejects_parts_that_a_song_has_not(
    separator: Separator, start: Any, end: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        separator.separate(SONG[:, :88200], start=start, end=end)
    assert len(str(raised.value)) < 250


def test_second_models_and_videos_need_the_whole_song(separator: Separator, tmp_path: Path) -> None:
    for options in ({"then": {"vocals": "lite"}}, {"video": True}):
        with pytest.raises(SettingError, match="need the whole song"):
            separator.separate_to_files("song.wav", tmp_path, start=1, **options)  # type: ignore[arg-type]


@given(st.integers(-(10**9), 10**9))
def test_times_are_read_as_they_are_written(milliseconds: int) -> None:
    assert seconds_of(clock(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-9)


@pytest.mark.parametrize(
    ("start", "end", "label"),
    [
        (65, 95, "1m05s to 1m35s"),
        (None, 7.5, "to 0m07.5s"),
        (3725, None, "1h02m05s to the end"),
        (-30, None, "-0m30s to the end"),
    ],
)
def test_folders_name_the_part_on_every_file_system(start: Any, end: Any, label: str) -> None:
    part = time_range(start, end)
    assert part is not None
    assert part.label == label
