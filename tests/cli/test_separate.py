"""`unbraid separate`: which stems are written, where, and how it ends."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.cli.conftest import Separate, stems_in, write
from tests.conftest import WriteWave
from tests.separation.conftest import noise, read
from tests.separation.known_models import loudness_model, spectral_model


def length(path: Path) -> int:
    with wave.open(str(path)) as file:
        return file.getnframes()


def write_streams(path: Path, sounds: list[NDArray[np.float32]]) -> None:
    """A film's file with one lossless sound stream for each of the sounds."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("flac", rate=44100, layout="stereo", format="s16") for _ in sounds]
        for stream, sound in zip(streams, sounds, strict=True):
            whole = np.rint(sound * 32767).astype(np.int16).T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 44100, 0
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)


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
        (["--stems", "drums", "--format", "flac"], ["drums.flac", "no_drums.flac"]),
        (["--format", "m4a", "--jobs", "2", "--device", "cpu"], ["no_vocals.m4a", "vocals.m4a"]),
    ],
)
def test_stems_are_those_that_were_asked_for(
    options: list[str], names: list[str], separate: Separate, write_wave: WriteWave, tmp_path: Path
) -> None:
    assert separate(write_wave(tmp_path / "song.wav", seconds=0.5), "-o", "out", *options) == 0
    assert stems_in(tmp_path / "out" / "song") == names


def test_the_sound_stream_that_was_chosen_is_separated(separate: Separate, tmp_path: Path) -> None:
    sounds = [noise(2, 44100, seed) for seed in (1, 2)]
    write_streams(tmp_path / "film.mkv", sounds)
    for options, sound in (
        ([], sounds[0]),
        (["--audio-stream", "0"], sounds[0]),
        (["--audio-stream", "1"], sounds[1]),
    ):
        assert separate("film.mkv", "--float32", *options) == 0
        assert 10 * read(tmp_path / "separated" / "film" / "vocals.wav") == pytest.approx(sound, abs=1e-2)
    assert separate("-q", "film.mkv", "--audio-stream", "2") != 0


@pytest.mark.parametrize(
    ("mode", "peak", "gain"), [("rescale", 1.0, 0.5), ("clamp", 1.0, 1.0), ("none", 2.0, 1.0)]
)
def test_stems_beyond_full_scale_are_treated_as_asked(
    mode: str, peak: float, gain: float, separate: Separate, tmp_path: Path
) -> None:
    loud = spectral_model(tmp_path / "loud", masks=(4.0, -3.0), sources=("up", "down"), normalise=False)
    song = noise(2, 44100, 1)
    write(tmp_path / "song.wav", song)
    assert separate("song.wav", "-m", loud, "--stems", "all", "--float32", "--clip-mode", mode) == 0
    up, down = (read(tmp_path / "separated" / "song" / f"{name}.wav") for name in ("up", "down"))
    assert np.abs(up).max() == pytest.approx(peak, rel=0.01)
    if mode != "clamp":
        assert up + down == pytest.approx(gain * song, abs=0.01)


@pytest.mark.parametrize(
    "options",
    [
        ["--overlap", "0.5"],
        ["--segment", "0.05"],
        ["--shifts", "2"],
        ["--shifts", "2", "--seed", "1"],
        ["--quality", "fast"],
        ["--quality", "best"],
    ],
)
def test_how_the_song_is_cut_and_shifted_is_up_to_the_options(
    options: list[str], separate: Separate, tmp_path: Path
) -> None:
    # Its answer depends on the loudness of each segment, so that no two ways of cutting give the same stems.
    model = loudness_model(tmp_path / "model")
    write(tmp_path / "song.wav", noise(2, 15000, 1) * np.linspace(0, 1, 15000, dtype=np.float32))
    stems = []
    for out, given in (("plain", []), ("changed", options), ("again", options), ("no seed", options[:2])):
        assert separate("song.wav", "-m", model, "-o", out, "--float32", *given) == 0
        stems.append(read(tmp_path / out / "song" / "vocals.wav"))
    plain, changed, again, unseeded = stems
    assert np.abs(changed - plain).max() > 1e-4
    assert np.array_equal(changed, again)
    assert np.array_equal(changed, unseeded) == (len(options) == 2)


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


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--stems", "guitar"], "guitar"),
        (["--overlap", "1"], "overlap"),
        (["--overlap", "nan"], "overlap"),
        (["--segment", "-1"], "segment"),
        (["--segment", "inf"], "segment"),
        (["--shifts", "-1"], "shifts"),
        (["--jobs", "0"], "jobs"),
        (["--device", "cuda"], "cuda"),
        (["--device", "abacus"], "auto, cpu, cuda, mps"),
        (["--quality", "perfect"], "fast, balanced, best"),
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


def test_an_output_folder_that_is_a_file_is_named(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    (tmp_path / "taken").write_text("")
    assert separate("-q", song, "-o", "taken") == 1
    assert "taken" in capsys.readouterr().err
