"""`unbraid separate` with folders, names, songs that are done, and events."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from tests.audio.tagged import tags_of
from tests.cli.conftest import Separate
from tests.conftest import WriteWave
from tests.folders import everything_in
from tests.separation.conftest import noise

from unbraid.audio.encode import Encoder
from unbraid.audio.probe import probe


def stems_below(out: Path) -> list[str]:
    """Return the folders of songs below `out`."""
    return sorted({str(path.parent.relative_to(out)) for path in out.rglob("vocals.wav")})


@pytest.fixture
def music(write_wave: WriteWave, tmp_path: Path) -> Path:
    """A library in the folder `music`, with a text, a cover and a hidden file."""
    for number, name in enumerate(("b.wav", "a.wav", "album/a.wav", "album/deep/c.data")):
        write_wave(tmp_path / "music" / name, 0.1 + number / 50)
    (tmp_path / "music" / "README.md").write_text("About this music.")
    (tmp_path / "music" / "album" / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (tmp_path / "music" / ".hidden.wav").write_text("hidden")
    return tmp_path / "music"


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_folders_are_mirrored_and_other_files_are_listed(
    separate: Separate, music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate("music", "-o", "out") == 0
    assert stems_below(tmp_path / "out") == ["a", "album/a", "album/deep/c", "b"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == (
        "unbraid: 2 files were left out, because they have no audio: music/README.md, music/album/cover.jpg"
    )
    assert [line.split(":")[0] for line in lines if " x real time)" in line and ": vocals" in line] == [
        "out/a",
        "out/b",
        "out/album/a",
        "out/album/deep/c",
    ]


def test_all_files_of_a_folder_may_be_named(
    separate: Separate, music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate(*sorted(music.glob("[!.]*")), "-o", "out", "--json") == 0
    assert stems_below(tmp_path / "out") == ["a", "album/a", "album/deep/c", "b"]
    assert [event["status"] for event in events(capsys)].count("not_audio") == 2


def test_a_single_file_that_is_not_audio_is_an_error(
    separate: Separate, music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate(music / "README.md") == 1
    assert "not an audio file" in capsys.readouterr().err


def test_a_damaged_song_in_a_folder_is_an_error(
    separate: Separate, music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (music / "broken.mp3").write_text("damaged")
    assert separate("music", "-o", "out", "--json") == 1
    assert [event["input"] for event in events(capsys) if event["event"] == "failed"] == ["music/broken.mp3"]


def test_a_folder_without_songs_is_an_error(
    separate: Separate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert separate("empty") == 1
    assert capsys.readouterr().err == "unbraid: There is no audio or video file. Check the folder.\n"


def test_stems_beside_their_songs_are_not_separated_again(
    separate: Separate, music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate("music", "-o", "music") == 0
    before = everything_in(music)
    for out in ("music", "music/out"):
        assert separate("music", "-o", out, "--json", "--existing", "skip") == 0
    assert [name for name in everything_in(music) if not name.startswith("out")] == before
    statuses = [event["status"] for event in events(capsys)]
    assert (statuses.count("skipped"), statuses.count("done")) == (4, 4)


def test_a_template_names_the_files(separate: Separate, music: Path, tmp_path: Path) -> None:
    assert separate("music", "-o", "out", "--name", "{folder}/{track} {stem}") == 0
    wavs = [name for name in everything_in(tmp_path / "out") if name.endswith(".wav")]
    names = ("a", "album/a", "album/deep/c", "b")
    assert wavs == sorted(f"{name} {stem}.wav" for name in names for stem in ("vocals", "no_vocals"))


@pytest.mark.parametrize(
    ("template", "problem"), [("{stem}", "gives all songs the same name"), ("{track}", "Add {stem}")]
)
def test_a_template_that_clashes_fails_before_any_work(
    template: str, problem: str, separate: Separate, music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate("music", "--name", template, "-m", "missing-model") == 2
    assert problem in capsys.readouterr().err


def test_names_of_several_songs_are_listed_before_any_work(
    separate: Separate, music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate("music", "-o", "out", "--name", "{track}/{stem}") == 0
    assert capsys.readouterr().err.splitlines()[0] == (
        "unbraid: 1 song gets the name of another one, and a number such as (2): music/album/a.wav"
    )
    assert stems_below(tmp_path / "out") == ["a", "a (2)", "b", "c"]
    assert separate("music", "-o", "out", "--name", "{folder}/{track}/{stem}", "-q") == 0
    assert capsys.readouterr().err == ""


def test_skips_songs_that_are_done(
    separate: Separate, music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate("music/a.wav", "music/b.wav", "-o", "out") == 0
    capsys.readouterr()
    assert separate("music/a.wav", "music/b.wav", "music/album/a.wav", "-o", "out", "--existing", "skip") == 0
    assert "unbraid: 2 songs were skipped, because the stems are there already." in capsys.readouterr().err


def test_a_song_with_new_tags_is_skipped_and_replaced_with_them(separate: Separate, music: Path) -> None:
    song = music / "tagged.flac"
    for title, existing, expected in (
        ("Old", "skip", "Old"),
        ("New", "skip", "Old"),
        ("New", "replace", "New"),
    ):
        tags = tags_of({"title": title})
        with Encoder(song, sample_rate=44100, channels=2, format="flac", tags=tags) as file:
            file.write(noise(2, 5000))
        assert separate(song, "-o", "out", "--format", "flac", "--existing", existing) == 0
        assert probe(music.parent / "out" / "tagged" / "vocals.flac").tags.text("title") == expected


def test_events_tell_the_whole_story(
    separate: Separate, music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate("music/a.wav", "-o", "out") == 0
    capsys.readouterr()
    (music / "z.wav").write_text("damaged")
    assert separate("music", "-o", "out", "--existing", "skip", "--events") == 1
    printed = events(capsys)
    by_song: dict[str, list[dict[str, Any]]] = {}
    for event in printed[:-1]:
        by_song.setdefault(event["input"], []).append(event)
    done = [f"music/{name}" for name in ("b.wav", "album/a.wav", "album/deep/c.data")]
    kinds = {song: list(dict.fromkeys(event["event"] for event in its)) for song, its in by_song.items()}
    assert kinds == {
        "music/a.wav": ["skipped"],
        "music/README.md": ["skipped"],
        "music/album/cover.jpg": ["skipped"],
        "music/z.wav": ["failed"],
        **{song: ["started", "progress", "finished"] for song in done},
    }
    for its in by_song.values():
        fractions = [event["fraction"] for event in its if event["event"] == "progress"]
        assert fractions == sorted(fractions)
        assert len(fractions) <= 101
    end = printed[-1]
    assert {name: end[name] for name in ("event", "done", "skipped", "not_audio", "failed", "cancelled")} == {
        "event": "end",
        "done": 3,
        "skipped": 1,
        "not_audio": 2,
        "failed": 1,
        "cancelled": 0,
    }
    seconds = math.fsum(event["seconds"] for event in printed if event["event"] == "finished")
    assert end["seconds"] == pytest.approx(seconds, abs=0.002)
    assert end["seconds"] <= end["elapsed_s"] + 0.001


def test_warnings_are_events(separate: Separate, music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert separate("music/a.wav") == 0
    assert separate("music/album/a.wav", "--events") == 0
    (warning,) = (event for event in events(capsys) if event["event"] == "warning")
    assert warning["input"] == "music/album/a.wav"
    assert "because separated/a has those of another song" in warning["message"]


def test_the_common_options_fit_one_screen(
    separate: Separate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    screens = {}
    for option in ("-h", "--help", "--help-all"):
        with pytest.raises(SystemExit) as leave:
            separate(option)
        assert leave.value.code == 0
        screens[option] = capsys.readouterr().out
    common, everything = screens["--help"], screens["--help-all"]
    assert common == screens["-h"]
    # A terminal has 24 lines. The command and the next prompt take one each.
    assert len(common.splitlines()) <= 22
    assert max(map(len, common.splitlines())) < 80
    shown = ("PATH", "--out", "--model", "--stems", "--format", "--start", "--end", "--help-all")
    assert all(word in common for word in shown)
    assert everything.startswith(common)
    groups = ("output", "libraries", "separation", "models", "clusters", "messages")
    assert all(f"\n{group}:\n" in everything.removeprefix(common) for group in groups)
