"""Names of output folders, and their removal."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbraid.separation import output_folder_names
from unbraid.separation.output import StemFolder


def test_names_the_folder_after_the_song_without_extension() -> None:
    assert output_folder_names(["a/one.mp3", Path("b/two.live.flac"), "three"]) == [
        "one",
        "two.live",
        "three",
    ]


def test_numbers_songs_with_the_same_name() -> None:
    assert output_folder_names(["a/x.mp3", "b/x.mp3", "c/x.wav"]) == ["x", "x (2)", "x (3)"]


def test_skips_a_number_in_use() -> None:
    assert output_folder_names(["x (2).mp3", "x.mp3", "a/x.mp3"]) == ["x (2)", "x", "x (3)"]


def test_distinguishes_names_that_differ_only_in_case_or_encoding() -> None:
    assert output_folder_names(["Song.mp3", "song.mp3"]) == ["Song", "song (2)"]
    assert output_folder_names(["\u00e9.mp3", "e\u0301.mp3"]) == ["\u00e9", "e\u0301 (2)"]


@pytest.mark.parametrize(
    ("path", "name"),
    [("...", "song"), ("...mp3", "mp3"), (".mp3", "mp3"), ("..", "song"), ("a/.hidden.mp3", ".hidden")],
)
def test_no_name_leaves_the_output_folder(path: str, name: str) -> None:
    assert output_folder_names([path]) == [name]


@given(
    st.lists(
        st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), max_size=8
    )
)
def test_names_are_unique_and_fit_file_systems(paths: list[str]) -> None:
    names = output_folder_names(paths)
    assert len(set(names)) == len(paths)
    for name in names:
        assert 0 < len(os.fsencode(name)) <= 255
        assert name not in (".", "..")
        assert "/" not in name


def test_the_longest_names_are_unique() -> None:
    names = output_folder_names(["ж" * 127 + ".x", "ж" * 127 + ".y"])
    assert names == ["ж" * 127, "ж" * 125 + " (2)"]


def test_the_last_song_removes_an_empty_shared_folder(
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
