"""`unbraid separate`: what is written, what is said, and how it ends."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import WriteWave

from unbraid.cli.main import main

Separate = Callable[..., int]


@pytest.fixture
def separate(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Separate:
    """Runs the command in `tmp_path` with the known model; gives its exit code."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> int:
        return main(["separate", "-m", str(model_folder), *map(str, arguments)])

    return run


def stems_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def length(path: Path) -> int:
    with wave.open(str(path)) as file:
        return file.getnframes()


def test_vocals_and_the_rest_are_written_as_long_as_the_song(
    separate: Separate, write_wave: WriteWave, tmp_path: Path
) -> None:
    song = write_wave(tmp_path / "a song.live.wav", seconds=1.7)
    assert separate(song) == 0
    folder = tmp_path / "separated" / "a song.live"
    assert stems_in(folder) == ["no_vocals.wav", "vocals.wav"]
    assert {length(path) for path in folder.iterdir()} == {length(song)}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--stems", "all"], ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]),
        (["--stems", "drums", "--format", "flac", "--int24"], ["drums.flac", "no_drums.flac"]),
        (
            ["--float32", "--clip-mode", "none", "--shifts", "2", "--seed", "3"],
            ["no_vocals.wav", "vocals.wav"],
        ),
        (["--format", "mp3", "--bitrate", "192k", "--jobs", "2"], ["no_vocals.mp3", "vocals.mp3"]),
        (["--format", "opus", "--bitrate", "96", "--overlap", "0.5"], ["no_vocals.opus", "vocals.opus"]),
        (["--format", "m4a", "--segment", "0.5", "--device", "cpu"], ["no_vocals.m4a", "vocals.m4a"]),
        (["--audio-stream", "0"], ["no_vocals.wav", "vocals.wav"]),
    ],
)
def test_options_reach_the_engine(
    options: list[str], names: list[str], separate: Separate, write_wave: WriteWave, tmp_path: Path
) -> None:
    assert separate(write_wave(tmp_path / "song.wav", seconds=0.5), "-o", "out", *options) == 0
    assert stems_in(tmp_path / "out" / "song") == names


def test_a_song_that_fails_has_one_line_and_the_others_are_done(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.mp3").write_text("not music at all")
    good = write_wave(tmp_path / "good.wav", seconds=0.3)
    assert separate("--quiet", "text.mp3", "missing.wav", tmp_path, good) == 1
    assert stems_in(tmp_path / "separated") == ["good"]
    text, missing, folder = capsys.readouterr().err.splitlines()
    assert text.startswith("unbraid: text.mp3: ")
    assert missing == "unbraid: missing.wav: doesn't exist. Check the name and the folder."
    assert folder.startswith(f"unbraid: {tmp_path}: is a folder.")
    assert f"{tmp_path}/*" in folder


def test_songs_of_one_name_get_folders_of_their_own(
    separate: Separate, write_wave: WriteWave, tmp_path: Path
) -> None:
    songs = [write_wave(tmp_path / folder / "song.wav", seconds=0.2) for folder in ("live", "studio")]
    assert separate(*songs) == 0
    assert stems_in(tmp_path / "separated") == ["song", "song (2)"]


def test_json_is_one_object_a_song_on_standard_output(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wave(tmp_path / "söng.wav", seconds=1.5)
    assert separate("--json", "söng.wav", "missing.wav") == 1
    done, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(done) == set(failed)
    assert done["input"] == "söng.wav"
    assert (done["status"], done["duration_s"], done["warnings"], done["error"]) == ("done", 1.5, [], None)
    assert done["files"] == {
        "vocals": "separated/söng/vocals.wav",
        "no_vocals": "separated/söng/no_vocals.wav",
    }
    assert done["realtime_factor"] == pytest.approx(1.5 / done["seconds"], rel=0.05)
    assert (failed["status"], failed["files"], failed["duration_s"]) == ("failed", {}, None)
    assert "doesn't exist" in failed["error"]


def test_a_warning_is_a_line_and_part_of_the_json(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wave(tmp_path / "surround.wav", seconds=0.3, channels=4)
    assert separate("--json", "surround.wav") == 0
    output = capsys.readouterr()
    assert "unbraid: surround.wav: warning: has 4 channels" in output.err
    assert len(json.loads(output.out)["warnings"]) == 1
    assert separate("--quiet", "surround.wav") == 0
    assert capsys.readouterr().err == ""


def test_quiet_says_nothing(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate("-q", write_wave(tmp_path / "song.wav", seconds=0.3)) == 0
    assert capsys.readouterr() == ("", "")


def test_elsewhere_than_on_a_terminal_progress_is_plain_lines(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate(write_wave(tmp_path / "song.wav", seconds=0.5)) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "song.wav: started"
    assert lines[-1].startswith("separated/song: vocals and no_vocals (")
    assert "\r" not in "".join(lines)
    assert "\x1b" not in "".join(lines)


def test_a_name_with_control_characters_stays_on_its_line(
    separate: Separate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate("-q", "a\nb\x1b[31m.wav") == 1
    assert capsys.readouterr().err.startswith("unbraid: a\\nb\\x1b[31m.wav: ")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--stems", "guitar"], "guitar"),
        (["--overlap", "1"], "overlap"),
        (["--overlap", "nan"], "--overlap"),
        (["--segment", "-1"], "segment"),
        (["--segment", "inf"], "--segment"),
        (["--shifts", "-1"], "shifts"),
        (["--jobs", "0"], "jobs"),
        (["--device", "cuda"], "cuda"),
        (["--bitrate", "192"], "lossless"),
        (["--format", "mp3", "--bitrate", "9999"], "kbit/s"),
        (["--format", "mp3", "--bitrate", "many"], "--bitrate"),
        (["--format", "flac", "--float32"], "flac"),
        (["--int24", "--float32"], "--float32"),
        (["--format", "wma"], "wma"),
        (["--shift", "1"], "--shift"),
    ],
)
def test_wrong_usage_ends_with_2_before_anything_is_done(
    options: list[str],
    word: str,
    separate: Separate,
    write_wave: WriteWave,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    try:
        code = separate(song, *options)
    except SystemExit as leave:  # as argparse does
        code = leave.code  # type: ignore[assignment]
    assert code == 2
    assert word in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "separated").exists()


def test_a_model_that_cannot_be_used_is_an_error_not_a_swap(
    write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    assert main(["separate", str(song), "-m", "no-such-model", "-o", str(tmp_path / "out")]) == 1
    assert "no-such-model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_is_a_file_is_named(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    (tmp_path / "taken").write_text("")
    assert separate("-q", song, "-o", "taken") == 1
    assert "taken" in capsys.readouterr().err
