"""Songs that have stems already: replaced whole, skipped or kept; never a mixture of two runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import WriteWave
from tests.folders import everything_in

from unbraid.errors import SettingError
from unbraid.separation import Result, Separator
from unbraid.separation.song_record import RECORD, read_record


@pytest.fixture(scope="module")
def separator(model_folder: Path) -> Separator:
    return Separator(model_folder)


def times_in(folder: Path) -> dict[str, int]:
    """Return the time of the last change of each file in `folder`, in ns."""
    return {name: (folder / name).stat().st_mtime_ns for name in everything_in(folder)}


def test_the_record_says_how_files_were_made(
    separator: Separator, write_wave: WriteWave, tmp_path: Path
) -> None:
    song = write_wave(tmp_path / "x.wav", 0.2)
    result = separator.separate_to_files(song, tmp_path / "out", format="flac")
    record = json.loads((tmp_path / "out/x" / RECORD).read_text())
    assert record["source"] == {
        "path": str(song),
        "size": song.stat().st_size,
        "mtime_ns": song.stat().st_mtime_ns,
    }
    assert record["files"] == {path.name: path.stat().st_size for path in result.files.values()}
    recipe = record["making"]["recipe"]
    assert recipe["model"] == separator.model.name
    assert recipe["options"]["format"] == "flac"
    assert record["making"]["stems"] == {"vocals": "vocals.flac", "no_vocals": "no_vocals.flac"}


@pytest.mark.parametrize("options", [{}, {"stems": "all", "format": "flac", "end": 0.1}, {"stems": ["mix"]}])
def test_the_recipe_is_known_before_a_song(
    separator: Separator, write_wave: WriteWave, tmp_path: Path, options: dict[str, Any]
) -> None:
    song = write_wave(tmp_path / "x.wav", 0.2)
    result = separator.separate_to_files(song, tmp_path / "out", **options)
    (file, *_) = result.files.values()
    record = read_record(file.parent / RECORD)
    assert record is not None and record.making is not None
    assert record.making.recipe == separator.recipe(**options)
    assert record.making.recipe != separator.recipe(**{**options, "clip_mode": "clamp"})


def test_another_run_replaces_all_files_of_the_song(
    separator: Separator, write_wave: WriteWave, tmp_path: Path
) -> None:
    song, out = write_wave(tmp_path / "x.wav", 0.2), tmp_path / "out"
    separator.separate_to_files(song, out, stems="all")
    (out / "x" / "notes.txt").write_text("mine")
    separator.separate_to_files(song, out, format="flac")
    assert everything_in(out / "x") == [RECORD, "no_vocals.flac", "notes.txt", "vocals.flac"]


def test_skip_leaves_done_songs_as_they_are(
    separator: Separator, write_wave: WriteWave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song, out = write_wave(tmp_path / "x.wav", 0.2), tmp_path / "out"
    first = separator.separate_to_files(song, out, existing="skip")
    before = times_in(out)
    with monkeypatch.context() as patch:
        # The song isn't even opened.
        patch.setattr("unbraid.separation.song_record.checksum", pytest.fail)
        patch.setattr("unbraid.separation.separator.FileSong", pytest.fail)
        again = separator.separate_to_files(song, out, existing="skip")
    assert (again.skipped, again.files, again.duration_s) == (True, first.files, first.duration_s)
    assert (again.model, again.sample_rate, again.seconds) == (first.model, first.sample_rate, 0)
    os.utime(song, ns=(1, 1))  # touched: the sound is compared
    assert separator.separate_to_files(song, out, existing="skip").skipped
    song.rename(tmp_path / "elsewhere.wav")
    moved = separator.separate_to_files(tmp_path / "elsewhere.wav", out, name="x", existing="skip")
    assert moved.skipped
    assert times_in(out) == before


def test_skip_separates_again_what_differs(
    separator: Separator, write_wave: WriteWave, tmp_path: Path, model_folder: Path
) -> None:
    song, out = write_wave(tmp_path / "x.wav", 0.2), tmp_path / "out"

    def skips(separator: Separator = separator, **options: object) -> bool:
        return separator.separate_to_files(song, out, existing="skip", **options).skipped  # type: ignore[arg-type]

    assert [skips(), skips()] == [False, True]
    assert [skips(stems="all"), skips(stems="all"), skips()] == [False, True, False]
    assert [skips(format="flac"), skips(clip_mode="clamp", format="flac")] == [False, False]
    other = Separator(model_folder, shifts=1)
    assert [skips(), skips(other), skips(other)] == [False, False, True]
    (out / "x" / "vocals.wav").write_bytes(b"cut off")
    assert [skips(other), skips(other)] == [False, True]
    (out / "x" / "vocals.wav").unlink()
    assert [skips(other), skips(other)] == [False, True]
    write_wave(song, 0.3)
    result = separator.separate_to_files(song, out, existing="skip")
    assert result.files["vocals"] == out / "x (2)" / "vocals.wav"


@pytest.mark.parametrize(
    ("options", "own"), [({"stems": "mix"}, "mix.wav"), ({"format": "stem"}, "x.stem.mp4")]
)
def test_files_of_your_own_are_never_replaced(
    options: Any, own: str, separator: Separator, write_wave: WriteWave, tmp_path: Path
) -> None:
    song, out = write_wave(tmp_path / "x.wav", 0.2), tmp_path / "out"
    (out / "x").mkdir(parents=True)
    (out / "x" / own).write_text("mine")
    for _ in range(2):
        (file,) = separator.separate_to_files(song, out, **options).files.values()
        assert file == out / "x (2)" / own
    assert (out / "x" / own).read_text() == "mine"


@pytest.mark.parametrize("form", ["{track}/{stem}%s", "{track} {stem}%s"])
def test_skip_names_files_by_the_new_template(
    separator: Separator, write_wave: WriteWave, tmp_path: Path, form: str
) -> None:
    song, out = write_wave(tmp_path / "x.wav", 0.2), tmp_path / "out"
    for suffix in ("", " new"):
        for skipped in (False, True):
            result = separator.separate_to_files(song, out, template=form % suffix, existing="skip")
            assert result.skipped is skipped
            assert result.files["vocals"] == out / f"{form % suffix}.wav".format(track="x", stem="vocals")
            assert all(path.exists() for path in result.files.values())
    assert separator.separate_to_files(song, out, existing="skip", template="{track}/{stem}").skipped is False
    assert separator.separate_to_files(song, out, existing="skip").skipped  # the same names


def test_skip_finds_each_of_two_songs_with_one_name(
    separator: Separator, write_wave: WriteWave, tmp_path: Path
) -> None:
    songs = [write_wave(tmp_path / name / "x.wav", 0.1 * (2 + at)) for at, name in enumerate("ab")]
    out = tmp_path / "out"
    for skipped in (False, True):
        results = [result for _, result in separator.separate_files(songs, out, existing="skip")]
        assert [isinstance(one, Result) and one.skipped for one in results] == [skipped, skipped]
    assert sorted(path.name for path in out.iterdir()) == ["x", "x (2)"]
    (tmp_path / "a/x.wav").write_bytes(b"damaged")  # the song in "x" fails from now on
    assert [
        isinstance(one, Result) and one.skipped
        for _, one in separator.separate_files(songs, out, existing="skip")
    ]


def test_rename_keeps_older_stems(separator: Separator, write_wave: WriteWave, tmp_path: Path) -> None:
    song, out = write_wave(tmp_path / "x.wav", 0.2), tmp_path / "out"
    separator.separate_to_files(song, out)
    before = times_in(out / "x")
    result = separator.separate_to_files(song, out, existing="rename", stems="all")
    assert result.warnings == ()
    assert {path.parent.name for path in result.files.values()} == {"x (2)"}
    assert times_in(out / "x") == before
    with pytest.raises(SettingError, match="replace, skip, rename"):
        separator.separate_to_files(song, out, existing="keep")  # type: ignore[arg-type]


def test_a_run_that_is_killed_while_it_replaces_files_does_not_count_as_done(
    separator: Separator, write_wave: WriteWave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song, out = write_wave(tmp_path / "x.wav", 0.2), tmp_path / "out"
    separator.separate_to_files(song, out, stems="all")

    moved = 0
    replace = Path.replace

    def kill(path: Path, target: Path) -> Path:
        nonlocal moved
        moved += target.parent == out / "x" and target.suffix == ".wav"
        if moved == 2:
            os._exit(9)
        return replace(path, target)

    if (child := os.fork()) == 0:
        monkeypatch.setattr(Path, "replace", kill)
        try:
            separator.separate_to_files(song, out)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    record = read_record(out / "x" / RECORD)
    assert record is not None
    assert record.making is None
    assert not separator.separate_to_files(song, out, existing="skip").skipped
    assert [name for name in everything_in(out) if "/" in name and ".unbraid-" not in name] == [
        f"x/{name}" for name in (RECORD, "no_vocals.wav", "vocals.wav")
    ]


def test_a_stem_of_the_last_run_that_is_a_song_of_this_command_is_not_removed(
    separator: Separator, write_wave: WriteWave, tmp_path: Path
) -> None:
    song, out = write_wave(tmp_path / "x.wav", 0.2), tmp_path / "out"
    separator.separate_to_files(song, out, stems="all")
    drums = out / "x" / "drums.wav"
    first, _ = separator.separate_files([song, drums], out)
    assert "is a song of this command" in str(first[1])
    assert drums.exists()
