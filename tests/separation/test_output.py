"""Output folders: their names, which song they belong to, and their removal."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.audio import sounds
from tests.audio.sounds import KINDS
from tests.audio.tag_bytes import id3v2

from unbraid.errors import OutputError
from unbraid.separation.folders import OutputFolders, SongFolder
from unbraid.separation.naming import FolderNaming, output_folder_name
from unbraid.separation.output import HiddenFolder, StemFolder
from unbraid.separation.song_record import RECORD, checksum, read_record

STEMS = ("drums", "vocals")


def folder_of(folders: OutputFolders, song: str | Path, files: Sequence[str] = ("vocals.wav",)) -> SongFolder:
    return SongFolder(folders, Path(song), FolderNaming(output_folder_name(song)), files, STEMS)


def output_folder_names(paths: Sequence[str | Path]) -> list[str]:
    """Return the folders of songs that are separated together into a new folder."""
    folders = OutputFolders(Path("missing"), paths)
    return [folder_of(folders, path).choose().name for path in paths]


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


def test_the_last_song_removes_an_empty_shared_folder(tmp_path: Path) -> None:
    out = tmp_path / "made" / "out"
    with HiddenFolder(out):
        with HiddenFolder(out):
            pass
        assert out.exists()
    assert not list(tmp_path.iterdir())
    with HiddenFolder(out):
        separate(out, write(tmp_path / "two.wav"))
    assert [path.name for path in out.iterdir()] == ["two"]


def write(path: Path, content: str = "song") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def separate(
    out: Path, song: Path, files: Sequence[str] = ("vocals.wav",), songs: Sequence[Path] = ()
) -> StemFolder:
    """Publish `files` with the content of `song`."""
    folders = OutputFolders(out, songs or [song])
    with StemFolder(folder_of(folders, song, files)) as folder:
        for name in files:
            (folder.stems / name).write_text(song.read_text())
        folder.publish()
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Return name -> content of the files in `folder`, except the record."""
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.name != RECORD}


def test_a_folder_belongs_to_one_song(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a/x.mp3", "A"), write(tmp_path / "b/x.mp3", "B")
    out = tmp_path / "out"
    separate(out, first, ["drums.wav", "vocals.wav"])
    for _ in range(2):  # again: each song keeps its folder
        (warning,) = separate(out, second).warnings
        assert str(warning) == (
            f"x.mp3 has its stems in {out / 'x (2)'}, because {out / 'x'} has those of another song."
        )
        assert separate(out, first, ["drums.wav", "vocals.wav"]).warnings == ()
    assert contents(out / "x") == {"drums.wav": "A", "vocals.wav": "A"}
    assert contents(out / "x (2)") == {"vocals.wav": "B"}
    assert sorted(path.name for path in out.iterdir()) == ["x", "x (2)"]


def test_the_same_song_again_replaces_all_its_files_and_no_others(tmp_path: Path) -> None:
    song, out = write(tmp_path / "x.mp3"), tmp_path / "out"
    separate(out, song, ["drums.wav", "vocals.wav"])
    write(out / "x" / "notes.txt", "mine")
    separate(out, song, ["vocals.mp3"])
    assert list(contents(out / "x")) == ["notes.txt", "vocals.mp3"]
    record = read_record(out / "x" / RECORD)
    assert record is not None
    assert record.files == {"vocals.mp3": 4}


def test_a_moved_or_copied_song_keeps_its_folder(tmp_path: Path) -> None:
    song, out = write(tmp_path / "x.mp3"), tmp_path / "out"
    separate(out, song)
    song.rename(tmp_path / "x.old.mp3")
    separate(out, write(tmp_path / "elsewhere" / "x.mp3"))
    assert [path.name for path in out.iterdir()] == ["x"]


def test_a_changed_song_gets_another_folder_and_loses_no_stem(tmp_path: Path) -> None:
    song, out = write(tmp_path / "x.mp3", "old"), tmp_path / "out"
    separate(out, song, ["drums.wav", "vocals.wav"])
    write(song, "new")
    (warning,) = separate(out, song).warnings
    assert "x (2)" in str(warning)
    assert contents(out / "x") == {"drums.wav": "old", "vocals.wav": "old"}
    assert contents(out / "x (2)") == {"vocals.wav": "new"}


def test_song_with_other_tags_keeps_its_folder(tmp_path: Path) -> None:
    kind = next(kind for kind in KINDS if kind.ending == "mp3")
    plain = sounds.write(tmp_path / "plain.mp3", sounds.bursts(44100, 2, 44100), 44100, kind).read_bytes()
    song = tmp_path / "x.mp3"
    song.write_bytes(plain)
    first = checksum(song)
    song.write_bytes(id3v2(title="Another title") + plain)
    assert checksum(song) == first
    song.write_bytes(plain[: len(plain) // 2])
    assert checksum(song) != first


def test_song_that_disappears_during_the_work_keeps_its_stems(tmp_path: Path) -> None:
    song, out = write(tmp_path / "x.mp3"), tmp_path / "out"
    with StemFolder(folder_of(OutputFolders(out, [song]), song)) as folder:
        (folder.stems / "vocals.wav").write_text("finished")
        song.unlink()
        folder.publish()
    assert contents(out / "x") == {"vocals.wav": "finished"}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Vocals.flac", "x (2)"),
        ("no_drums.mp4", "x (2)"),
        ("vocals+drums.wav", "x (2)"),
        ("notes.txt", "x"),
        ("mix.wav", "x"),
    ],
)
def test_a_folder_without_a_record_is_not_used_if_it_has_stems(file: str, name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out / "x" / file, "unknown")
    assert separate(out, write(tmp_path / "x.mp3")).target == out / name
    assert contents(out / "x")[file] == "unknown"


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"sha256": 1, "files": []}', "\udcff"])
def test_a_damaged_record_counts_as_none(record: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_bytes(record.encode("utf-8", "surrogateescape"))
    assert read_record(tmp_path / RECORD) is None


def test_another_process_that_was_faster_keeps_its_folder(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a/x.mp3", "A"), write(tmp_path / "b/x.mp3", "B")
    out = tmp_path / "out"
    with StemFolder(folder_of(OutputFolders(out, [second]), second)) as folder:
        (folder.stems / "vocals.wav").write_text("B")
        separate(out, first)  # with other OutputFolders, as in another process
        folder.publish()
    assert (contents(out / "x"), contents(out / "x (2)")) == ({"vocals.wav": "A"}, {"vocals.wav": "B"})
    assert folder.warnings


@pytest.mark.parametrize("link", ["none", "hard", "symbolic"])
def test_a_stem_that_would_replace_a_song_is_refused_before_the_work(link: str, tmp_path: Path) -> None:
    song, out = write(tmp_path / "x.mp3"), tmp_path / "out"
    separate(out, song)
    stem = out / "x" / "vocals.wav"
    other = stem if link == "none" else tmp_path / "linked.wav"
    if link == "hard":
        other.hardlink_to(stem)
    elif link == "symbolic":
        other.symlink_to(stem)
    with pytest.raises(OutputError, match=r"x/vocals\.wav is a song of this command"):
        StemFolder(folder_of(OutputFolders(out, [song, other]), song)).__enter__()
    assert contents(out / "x") == {"vocals.wav": "song"}
    assert sorted(path.name for path in out.iterdir()) == ["x"]


def block_by_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def make_read_only(path: Path) -> None:
    path.write_text("mine")
    path.chmod(0o444)


@pytest.mark.parametrize("block", [block_by_folder, make_read_only])
@pytest.mark.parametrize("name", ["vocals.wav", "no_vocals.mp4", "a.wav"])
def test_something_in_the_way_of_a_stem_leaves_everything_as_it_was(
    block: object, name: str, tmp_path: Path
) -> None:
    song, out = write(tmp_path / "x.mp3", "old"), tmp_path / "out"
    separate(out, song, ["a.wav", "drums.wav"])
    files = ["a.wav", "no_vocals.mp4", "vocals.wav"]
    assert callable(block)
    block(out / "x" / name)
    before = sorted((str(path), path.is_dir() or path.read_text()) for path in out.rglob("*"))
    with pytest.raises(OutputError, match=name):  # before any work
        StemFolder(folder_of(OutputFolders(out, [song]), song, files)).__enter__()
    (out / "x" / name).rename(tmp_path / "aside")
    with (
        pytest.raises(OutputError, match=name),
        StemFolder(folder_of(OutputFolders(out, [song]), song, files)) as folder,
    ):
        for file in files:
            (folder.stems / file).write_text("new")
        (tmp_path / "aside").rename(out / "x" / name)  # after the work
        folder.publish()
    assert sorted((str(path), path.is_dir() or path.read_text()) for path in out.rglob("*")) == before


@pytest.mark.parametrize("is_out_dir", [True, False])
def test_a_link_to_a_missing_folder_is_in_the_way(is_out_dir: bool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    link = out if is_out_dir else out / "x"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to("missing")
    with pytest.raises(OutputError, match=r"in the way of a folder\."):
        StemFolder(folder_of(OutputFolders(out, []), write(tmp_path / "x.mp3"))).__enter__()


def test_songs_of_a_batch_find_their_folders_in_any_order(tmp_path: Path) -> None:
    songs = [write(tmp_path / folder / "x.mp3", folder) for folder in ("a", "b", "c")]
    out = tmp_path / "out"
    for order in (songs, songs[::-1]):
        folders = OutputFolders(out, order)
        for song in order:
            with StemFolder(folder_of(folders, song)) as folder:
                (folder.stems / "vocals.wav").write_text(song.read_text())
                folder.publish()
    assert [contents(out / name) for name in ("x", "x (2)", "x (3)")] == [
        {"vocals.wav": name} for name in ("a", "b", "c")
    ]
    assert len(list(out.iterdir())) == 3
