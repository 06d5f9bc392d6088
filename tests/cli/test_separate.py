"""`unbraid separate`: what is written, what is said, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.broken_files import png
from tests.conftest import WriteWave
from tests.models.published import SOURCES, TINY, draw, published, tiny_graphs, with_checksum
from tests.separation.known_models import loudness_model, spectral_model

from unbraid.audio import Decoder, Encoder, probe
from unbraid.cli.main import main
from unbraid.models import Model, load_model_folder

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


def noise(seed: int) -> NDArray[np.float32]:
    """A second of white noise, (2, samples)."""
    return (0.1 * np.random.default_rng(seed).standard_normal((2, 44100))).astype(np.float32)


def write(path: Path, sound: NDArray[np.float32]) -> None:
    with Encoder(path, sample_rate=44100, channels=2, subtype="float") as file:
        file.write(sound)


def read(path: Path) -> NDArray[np.float32]:
    with Decoder(path) as file:
        return np.concatenate(list(file), axis=1)


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


@pytest.mark.parametrize(
    ("options", "codec", "sample_format"),
    [
        ([], "pcm_s16le", "s16"),
        (["--int24"], "pcm_s24le", "s32"),
        (["--float32"], "pcm_f32le", "flt"),
        (["--format", "flac"], "flac", "s16"),
        (["--format", "flac", "--int24"], "flac", "s32"),
        (["--format", "mp3"], "mp3float", "fltp"),
        (["--format", "m4a"], "aac", "fltp"),
        (["--format", "opus"], "opus", "fltp"),
    ],
)
def test_stems_have_the_codec_and_the_depth_that_were_asked_for(
    options: list[str],
    codec: str,
    sample_format: str,
    separate: Separate,
    write_wave: WriteWave,
    tmp_path: Path,
) -> None:
    assert separate(write_wave(tmp_path / "song.wav", seconds=0.2), *options) == 0
    for path in (tmp_path / "separated" / "song").iterdir():
        with av.open(str(path)) as file:
            (stream,) = file.streams.audio
            assert (stream.codec_context.name, stream.format.name) == (codec, sample_format)


@pytest.mark.parametrize("format", ["mp3", "m4a", "opus"])
def test_the_bit_rate_is_the_one_asked_for(format: str, separate: Separate, tmp_path: Path) -> None:
    write(tmp_path / "song.wav", np.tile(noise(1), 2))  # noise uses up what it may
    for kilobits in (96, 192):
        assert separate("song.wav", "-o", str(kilobits), "--format", format, "--bitrate", f"{kilobits}k") == 0
        with av.open(str(tmp_path / str(kilobits) / "song" / f"no_vocals.{format}")) as file:
            assert file.bit_rate == pytest.approx(kilobits * 1000, rel=0.15)


def test_the_sound_stream_that_was_chosen_is_separated(separate: Separate, tmp_path: Path) -> None:
    sounds = [noise(seed) for seed in (1, 2)]
    write_streams(tmp_path / "film.mkv", sounds)
    for options, sound in (
        ([], sounds[0]),
        (["--audio-stream", "0"], sounds[0]),
        (["--audio-stream", "1"], sounds[1]),
    ):
        assert separate("film.mkv", "--float32", *options) == 0
        assert 10 * read(tmp_path / "separated" / "film" / "vocals.wav") == pytest.approx(sound, abs=1e-2)
    assert separate("-q", "film.mkv", "--audio-stream", "2") != 0


@pytest.mark.parametrize("format", ["flac", "mp3", "m4a", "opus"])
def test_tags_and_cover_of_the_song_are_those_of_its_stems(
    format: str, separate: Separate, tmp_path: Path
) -> None:
    tags = {"title": "Пісня", "artist": "A; B", "date": "2020"}
    with Encoder(
        tmp_path / "song.flac",
        sample_rate=44100,
        channels=2,
        format="flac",
        tags=tags,
        cover=png(),
        cover_mime="image/png",
    ) as file:
        file.write(noise(1))
    assert separate("song.flac", "--format", format) == 0
    for path in (tmp_path / "separated" / "song").iterdir():
        info = probe(path)
        assert info.tags.items() >= tags.items()
        assert (info.cover, info.cover_mime) == (png(), "image/png")


@pytest.mark.parametrize(
    ("mode", "peak", "gain"), [("rescale", 1.0, 0.5), ("clamp", 1.0, 1.0), ("none", 2.0, 1.0)]
)
def test_stems_beyond_full_scale_are_treated_as_asked(
    mode: str, peak: float, gain: float, separate: Separate, tmp_path: Path
) -> None:
    loud = spectral_model(tmp_path / "loud", masks=(4.0, -3.0), sources=("up", "down"), normalise=False)
    song = noise(1) * np.float32(0.5 / np.abs(noise(1)).max())
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
    write(tmp_path / "song.wav", noise(1)[:, :15000] * np.linspace(0, 1, 15000, dtype=np.float32))
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


def test_json_is_one_object_a_song_on_standard_output(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wave(tmp_path / "söng.wav", seconds=1.5)
    assert separate("--json", "söng.wav", "missing.wav") == 1
    done, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(done) == set(failed)
    assert done["input"] == "söng.wav"
    assert (done["status"], done["duration_s"], done["warnings"], done["error"]) == ("done", 1.5, [], None)
    assert (done["model"], failed["model"]) == ("known", None)
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


def test_a_model_that_cannot_be_used_is_an_error_not_a_swap(
    write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    assert main(["separate", str(song), "-m", "no-such-model", "-o", str(tmp_path / "out")]) == 1
    assert "no-such-model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_can_be_taken_from_a_folder_of_published_weights(
    separate: Separate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    tiny_graphs(monkeypatch, tmp_path / "graphs")
    import onnx

    graph = onnx.load(tmp_path / "graphs" / "HTDemucs.onnx", load_external_data=False)
    del graph.graph.input[0].type.tensor_type.shape.dim[1]  # (batch, 2, samples), as networks are fed
    (tmp_path / "graphs" / "HTDemucs.onnx").write_bytes(graph.SerializeToString())
    weights = draw(TINY)
    (tmp_path / "weights").mkdir()
    with_checksum(published(tmp_path / "weights" / "mine.th", weights))
    song = noise(1) - noise(1).mean()
    write(tmp_path / "song.wav", song)
    assert separate("song.wav", "-m", "mine", "--repo", "weights", "--stems", "all", "--float32") == 0
    for stem, gain in zip(SOURCES, weights["gains"].ravel(), strict=True):
        found = read(tmp_path / "separated" / "song" / f"{stem}.wav")
        assert found == pytest.approx(gain * song, abs=1e-5)


def test_what_is_not_in_a_folder_of_published_weights_is_an_error(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wave(tmp_path / "song.wav", seconds=0.2)
    assert separate("-q", "song.wav", "-m", "mine", "--repo", tmp_path) == 1
    assert "mine" in capsys.readouterr().err
    assert stems_in(tmp_path) == ["song.wav"]


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stands for a model that has to be downloaded; what the signals in the list do to it."""
    signals: list[int] = []

    def find(
        name: str, *, repo: object, progress: Callable[..., object], notice: Callable[..., object]
    ) -> Model:
        notice("a word on the model")
        for done in (0, 50, 100):
            progress(done * 10**6, 100 * 10**6)
            for number in signals:
                os.kill(os.getpid(), number)
        return load_model_folder(spectral_model(tmp_path / "downloaded"))

    monkeypatch.setattr("unbraid.separation.separator.find_model", find)
    return signals


def test_a_download_is_shown_as_it_goes_on(
    downloaded: list[int],
    separate: Separate,
    write_wave: WriteWave,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_wave(tmp_path / "song.wav", seconds=0.2)
    assert separate("song.wav", "-m", "auto") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["unbraid: a word on the model", "htdemucs: downloading 100.0 MB"]
    assert separate("-q", "song.wav") == 0
    assert capsys.readouterr().err == ""


def test_a_download_can_be_stopped(
    downloaded: list[int],
    separate: Separate,
    write_wave: WriteWave,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    downloaded.append(signal.SIGTERM)
    write_wave(tmp_path / "song.wav", seconds=0.2)
    assert separate("-q", "song.wav") == 128 + signal.SIGTERM
    assert "stopped" in capsys.readouterr().err
    assert stems_in(tmp_path) == ["song.wav"]


def test_an_output_folder_that_is_a_file_is_named(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    (tmp_path / "taken").write_text("")
    assert separate("-q", song, "-o", "taken") == 1
    assert "taken" in capsys.readouterr().err
