"""`unbraid separate`: which stems are written, where, and the exit code."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.audio.sounds import KINDS, bursts
from tests.audio.sounds import write as write_sound
from tests.cli.conftest import Separate, stems_in, write
from tests.conftest import WriteWave
from tests.folders import everything_in
from tests.separation.conftest import noise, read
from tests.separation.known_models import loudness_model, spectral_model


def length(path: Path) -> int:
    with wave.open(str(path)) as file:
        return file.getnframes()


def write_streams(path: Path, signals: list[NDArray[np.float32]]) -> None:
    """Write a file with one lossless audio stream for each signal."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("flac", rate=44100, layout="stereo", format="s16") for _ in signals]
        for stream, signal in zip(streams, signals, strict=True):
            whole = np.rint(signal * 32767).astype(np.int16).T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 44100, 0
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)


def test_writes_vocals_and_the_rest_as_long_as_the_song(
    separate: Separate, write_wave: WriteWave, tmp_path: Path
) -> None:
    song = write_wave(tmp_path / "a song.live.wav", seconds=1.7)
    assert separate(song) == 0
    folder = tmp_path / "separated" / "a song.live"
    assert stems_in(folder) == ["no_vocals.wav", "vocals.wav"]
    assert {length(path) for path in folder.glob("*.wav")} == {length(song)}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--stems", "all"], ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]),
        (["--stems", "drums", "--format", "flac"], ["drums.flac", "no_drums.flac"]),
        (["--format", "m4a", "--jobs", "2", "--device", "cpu"], ["no_vocals.m4a", "vocals.m4a"]),
    ],
)
def test_writes_the_chosen_stems_in_the_chosen_format(
    options: list[str], names: list[str], separate: Separate, write_wave: WriteWave, tmp_path: Path
) -> None:
    assert separate(write_wave(tmp_path / "song.wav", seconds=0.5), "-o", "out", *options) == 0
    assert stems_in(tmp_path / "out" / "song") == names


def test_separates_the_chosen_audio_stream(separate: Separate, tmp_path: Path) -> None:
    signals = [noise(2, 44100, seed) for seed in (1, 2)]
    write_streams(tmp_path / "video.mkv", signals)
    for options, signal in (
        ([], signals[0]),
        (["--audio-stream", "0"], signals[0]),
        (["--audio-stream", "1"], signals[1]),
    ):
        assert separate("video.mkv", "--float32", *options) == 0
        assert 10 * read(tmp_path / "separated" / "video" / "vocals.wav") == pytest.approx(signal, abs=1e-2)
    assert separate("-q", "video.mkv", "--audio-stream", "2") != 0


def test_line_names_the_audio_stream_that_was_chosen_among_several(
    separate: Separate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_streams(tmp_path / "video.mkv", [noise(2, 44100, seed) for seed in (1, 2)])
    line = (
        "has 2 audio streams, counted from 0; stream 0 is used."
        " Choose another with `unbraid separate --audio-stream N`."
    )
    assert separate("video.mkv", "--json") == 0
    printed = capsys.readouterr()
    assert f"unbraid: video.mkv: warning: {line}\n" in printed.err
    assert json.loads(printed.out)["warnings"] == [f"video.mkv {line}"]
    assert separate("video.mkv", "--audio-stream", "0") == 0
    assert "audio streams" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mode", "peak", "gain"), [("rescale", 1.0, 0.5), ("clamp", 1.0, 1.0), ("none", 2.0, 1.0)]
)
def test_clip_mode_decides_about_stems_beyond_full_scale(
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
def test_options_change_segments_and_shifts(options: list[str], separate: Separate, tmp_path: Path) -> None:
    # The output of this model depends on the loudness of each segment, so every way of splitting gives other stems.
    model = loudness_model(tmp_path / "model")
    write(tmp_path / "song.wav", noise(2, 15000, 1) * np.linspace(0, 1, 15000, dtype=np.float32))
    stems = []
    for out, used in (("plain", []), ("changed", options), ("again", options), ("no seed", options[:2])):
        assert separate("song.wav", "-m", model, "-o", out, "--float32", *used) == 0
        stems.append(read(tmp_path / out / "song" / "vocals.wav"))
    plain, changed, again, unseeded = stems
    assert np.abs(changed - plain).max() > 1e-4
    assert np.array_equal(changed, again)
    assert np.array_equal(changed, unseeded) == (len(options) == 2)


def test_reports_a_failing_song_in_one_line_and_separates_the_others(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.mp3").write_text("not music at all")
    good = write_wave(tmp_path / "good.wav", seconds=0.3)
    assert separate("--quiet", "text.mp3", "missing.wav", good) == 1
    assert stems_in(tmp_path / "separated") == ["good"]
    text, missing = capsys.readouterr().err.splitlines()
    assert text.startswith("unbraid: text.mp3: ")
    assert missing == "unbraid: missing.wav: doesn't exist. Check the name and the folder."


def test_songs_with_the_same_name_get_separate_folders(
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
        (["--device", "cuda:1"], "cuda:1"),
        (["--device", "cuda:"], "auto, cpu, cuda, mps"),
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
def test_wrong_usage_exits_with_2_before_any_work(
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
    except SystemExit as leave:  # argparse raises it
        code = leave.code  # type: ignore[assignment]
    assert code == 2
    assert word in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "separated").exists()


def test_names_an_output_folder_that_is_a_file(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    (tmp_path / "taken").write_text("")
    assert separate("-q", song, "-o", "taken") == 1
    assert "taken" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--format", "mp3"], ["--video"]], ids=str)
def test_no_stem_replaces_a_song_of_the_same_command(
    options: list[str], separate: Separate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = next(kind for kind in KINDS if kind.name == "mp4-aac")
    write_sound(tmp_path / "song.mp4", bursts(44100, 2, 44100), 44100, kind)
    assert separate("-q", "song.mp4", *options) == 0
    stems = sorted((tmp_path / "separated" / "song").glob("[!.]*"))
    before = [path.read_bytes() for path in stems]
    # Each output of the song is now also an input.
    assert separate("-q", "song.mp4", stems[0], *options) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"unbraid: song.mp4: separated/song/{stems[0].name} is a song of this command, and a stem would replace it."
        " Choose another output folder (-o)."
    )
    assert [path.read_bytes() for path in stems] == before
    assert stems_in(tmp_path / "separated") == sorted(["song", stems[0].stem])


def test_separating_stems_again_and_again_never_replaces_one(
    separate: Separate, write_wave: WriteWave, tmp_path: Path
) -> None:
    write_wave(tmp_path / "song.wav", seconds=0.2)
    song, seen = Path("song.wav"), []
    for folder in ("song", "vocals", "vocals (2)", "vocals (3)"):
        seen.append((song, song.read_bytes()))
        assert separate("-q", song) == 0
        song = Path("separated", folder, "vocals.wav")
        assert song.exists()
    assert all(path.read_bytes() == content for path, content in seen)


def test_another_song_of_the_same_name_never_mixes_with_the_first(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_wave(tmp_path / "a" / "x.wav", seconds=0.2)
    second = write_wave(tmp_path / "b" / "x.wav", seconds=0.3)
    assert separate("-q", first, "--stems", "all") == 0
    assert separate("--json", second) == 0
    output = capsys.readouterr()
    assert (
        "x.wav: warning: has its stems in separated/x (2), because separated/x has those of another song."
        in output.err
    )
    assert json.loads(output.out)["files"]["vocals"] == "separated/x (2)/vocals.wav"
    assert {length(path) for path in Path("separated/x").glob("*.wav")} == {length(first)}
    assert {length(path) for path in Path("separated/x (2)").glob("*.wav")} == {length(second)}


def test_a_folder_in_place_of_a_stem_is_one_line_and_leaves_nothing(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.2)
    folder = tmp_path / "separated" / "song"
    (folder / "vocals.wav").mkdir(parents=True)
    assert separate("-q", song) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"unbraid: {song}: separated/song/vocals.wav can't be written: it is a folder.")
    assert everything_in(tmp_path / "separated") == ["song", "song/vocals.wav"]
