"""Names of output folders."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbraid.separation import output_folder_names
from unbraid.separation.output import StemFolder


def test_a_folder_is_named_after_its_song_without_the_ending() -> None:
    assert output_folder_names(["a/one.mp3", Path("b/two.live.flac"), "three"]) == [
        "one",
        "two.live",
        "three",
    ]


def test_songs_of_one_name_are_numbered() -> None:
    assert output_folder_names(["a/x.mp3", "b/x.mp3", "c/x.wav"]) == ["x", "x (2)", "x (3)"]


def test_a_number_that_is_taken_is_skipped() -> None:
    assert output_folder_names(["x (2).mp3", "x.mp3", "a/x.mp3"]) == ["x (2)", "x", "x (3)"]


def test_names_that_some_file_systems_take_for_one_are_told_apart() -> None:
    assert output_folder_names(["Song.mp3", "song.mp3"]) == ["Song", "song (2)"]
    assert output_folder_names(["\u00e9.mp3", "e\u0301.mp3"]) == ["\u00e9", "e\u0301 (2)"]


@pytest.mark.parametrize(
    ("path", "name"),
    [("...", "song"), ("...mp3", "mp3"), (".mp3", "mp3"), ("..", "song"), ("a/.hidden.mp3", ".hidden")],
)
def test_no_name_leads_out_of_the_folder(path: str, name: str) -> None:
    assert output_folder_names([path]) == [name]


@given(
    st.lists(
        st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), max_size=8
    )
)
def test_names_are_different_and_fit_a_file_system(paths: list[str]) -> None:
    names = output_folder_names(paths)
    assert len(set(names)) == len(paths)
    for name in names:
        assert 0 < len(os.fsencode(name)) <= 255
        assert name not in (".", "..")
        assert "/" not in name


def test_the_longest_names_are_still_told_apart() -> None:
    names = output_folder_names(["ж" * 127 + ".x", "ж" * 127 + ".y"])
    assert names == ["ж" * 127, "ж" * 125 + " (2)"]


def test_a_folder_that_songs_have_in_common_goes_with_the_last_of_them_if_nothing_came_of_any(
    tmp_path: Path,
) -> None:
    out = tmp_path / "made" / "out"
    with StemFolder(out, "one"):
        with StemFolder(out, "two"):
            pass
        assert out.exists()
    assert not list(tmp_path.iterdir())
    with StemFolder(out, "one"), StemFolder(out, "two") as two:
        two.publish()
    assert [path.name for path in out.iterdir()] == ["two"]
