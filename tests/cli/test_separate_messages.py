"""`unbraid separate`: messages and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Separate, write
from tests.conftest import WriteWave
from tests.separation.conftest import noise

from unbraid.cli.main import main


def test_json_prints_one_object_per_song_on_standard_output(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wave(tmp_path / "söng.wav", seconds=1.5)
    assert separate("--json", "söng.wav", "missing.wav") == 1
    done, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(done) == set(failed)
    assert done["input"] == "söng.wav"
    assert (done["status"], done["duration_s"], done["warnings"], done["error"]) == ("done", 1.5, [], None)
    assert (done["model"], failed["model"]) == ("known", None)
    assert (done["gain"], failed["gain"]) == (1.0, None)
    assert done["files"] == {
        "vocals": "separated/söng/vocals.wav",
        "no_vocals": "separated/söng/no_vocals.wav",
    }
    assert done["realtime_factor"] == pytest.approx(1.5 / done["seconds"], rel=0.05)
    assert (failed["status"], failed["files"], failed["duration_s"]) == ("failed", {}, None)
    assert "doesn't exist" in failed["error"]


def test_warnings_are_printed_and_in_the_json(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wave(tmp_path / "surround.wav", seconds=0.3, channels=4)
    assert separate("--json", "surround.wav") == 0
    output = capsys.readouterr()
    assert "unbraid: surround.wav: warning: has 4 channels" in output.err
    assert len(json.loads(output.out)["warnings"]) == 1
    assert separate("--quiet", "surround.wav") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("unbraid: surround.wav: warning: has 4 channels")


def test_quiet_prints_nothing(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate("-q", write_wave(tmp_path / "song.wav", seconds=0.3)) == 0
    assert capsys.readouterr() == ("", "")


def test_progress_is_lines_of_text_without_a_terminal(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate(write_wave(tmp_path / "song.wav", seconds=0.5)) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "song.wav: started"
    assert lines[-1].startswith("separated/song: vocals and no_vocals (")
    assert "\r" not in "".join(lines)
    assert "\x1b" not in "".join(lines)


def test_escapes_control_characters_in_names(separate: Separate, capsys: pytest.CaptureFixture[str]) -> None:
    assert separate("-q", "a\nb\x1b[31m.wav") == 1
    assert capsys.readouterr().err.startswith("unbraid: a\\nb\\x1b[31m.wav: ")


@pytest.mark.parametrize("command", ["separate", "demucs"])
def test_a_file_that_is_cut_off_is_a_warning_even_if_quiet(
    command: str,
    model_folder: Path,
    write_wave: WriteWave,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    song = write_wave(tmp_path / "song.wav", seconds=2)
    song.write_bytes(song.read_bytes()[:200_000])
    options = ["separate", "-q", "-m"] if command == "separate" else ["demucs", "-n"]
    assert main([*options, str(model_folder), "song.wav"]) == 0
    assert "unbraid: song.wav: warning: is cut off" in capsys.readouterr().err


@pytest.mark.parametrize(("peak", "gain"), [(4.0, 1 / (1.01 * 3.6)), (1.0, 1.0)])
def test_says_by_how_much_stems_were_lowered(
    peak: float, gain: float, separate: Separate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "loud.wav", noise(2, 20000, peak=peak))
    assert separate("--json", "--int16", "loud.wav") == 0  # no_vocals is 0.9 of the song
    output = capsys.readouterr()
    assert json.loads(output.out)["gain"] == pytest.approx(gain, rel=1e-3)
    line = output.err.splitlines()[-1]
    lowered = "vocals and no_vocals, lowered by 11.2 dB to prevent clipping ("
    assert (lowered in line) == (gain < 1)
    assert ("clipping" in line) == (gain < 1)
