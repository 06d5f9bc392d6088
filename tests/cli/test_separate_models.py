"""`unbraid separate`: uses the chosen model: from the catalogue, a folder, or a download."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from tests.cli.conftest import Separate, stems_in, write
from tests.conftest import WriteWave
from tests.models.published import SOURCES, TINY, draw, published, tiny_graphs, with_checksum
from tests.models.roformer_files import write_files
from tests.separation.conftest import noise, read
from tests.separation.known_models import spectral_model

from unbraid.cli.main import main
from unbraid.models import Model, load_model_folder


def test_an_unavailable_model_is_an_error_without_a_replacement(
    write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    assert main(["separate", str(song), "-m", "no-such-model", "-o", str(tmp_path / "out")]) == 1
    assert "no-such-model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_older_demucs_model_is_an_error_that_says_what_to_use(
    write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    assert main(["separate", str(song), "-m", "mdx", "-o", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "mdx is a Demucs model of an older generation" in line
    assert "Use htdemucs" in line
    assert not (tmp_path / "out").exists()


def test_repo_loads_a_model_from_published_weights(
    separate: Separate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    tiny_graphs(monkeypatch, tmp_path / "graphs")
    graph = onnx.load(tmp_path / "graphs" / "HTDemucs.onnx", load_external_data=False)
    del graph.graph.input[0].type.tensor_type.shape.dim[1]  # (batch, 2, samples), the input of networks
    (tmp_path / "graphs" / "HTDemucs.onnx").write_bytes(graph.SerializeToString())
    weights = draw(TINY)
    (tmp_path / "weights").mkdir()
    with_checksum(published(tmp_path / "weights" / "mine.th", weights))
    song = noise(2, 44100, 1)
    song -= song.mean()
    write(tmp_path / "song.wav", song)
    assert separate("song.wav", "-m", "mine", "--repo", "weights", "--stems", "all", "--float32") == 0
    for stem, gain in zip(SOURCES, weights["gains"].ravel(), strict=True):
        found = read(tmp_path / "separated" / "song" / f"{stem}.wav")
        assert found == pytest.approx(gain * song, abs=1e-5)


def test_models_of_repo_are_no_words_and_second_models_may_be_outside(
    separate: Separate,
    model_folder: Path,
    tmp_path: Path,
    write_wave: WriteWave,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    write_files(tmp_path / "weights", name="karaoke.ckpt")
    write_wave(tmp_path / "song.wav", seconds=0.5)
    options = ("-m", "karaoke", "--repo", "weights", "--then", f"vocals:{model_folder}")
    assert separate("song.wav", *options) == 0
    assert "Using" not in capsys.readouterr().err
    assert "vocals.drums.wav" in stems_in(tmp_path / "separated" / "song")


def test_words_of_second_models_and_of_ensembles_are_explained_too(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wave(tmp_path / "song.wav", seconds=0.2)
    spectral_model(tmp_path / "mine", [0.5, 0.5], ("vocals", "no_vocals"), name="mine")
    assert separate("song.wav", "-m", "four_stems+./mine", "--then", "no_vocals:4stems") == 0
    line = "unbraid: Using lite+mine for four_stems+./mine and lite for 4stems.\n"
    assert line in capsys.readouterr().err


def test_repo_without_the_model_is_an_error(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wave(tmp_path / "song.wav", seconds=0.2)
    assert separate("-q", "song.wav", "-m", "mine", "--repo", tmp_path) == 1
    assert "mine" in capsys.readouterr().err
    assert stems_in(tmp_path) == ["song.wav"]


@pytest.fixture
def signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Fakes a model that must be downloaded. Signals in the returned list are sent during the download."""
    sent: list[int] = []

    def find(
        name: str, *, progress: Callable[..., object], notice: Callable[..., object], **_: object
    ) -> Model:
        notice("using htdemucs")
        for done in (0, 50, 100):
            progress(done * 10**6, 100 * 10**6)
            for number in sent:
                os.kill(os.getpid(), number)
        return load_model_folder(spectral_model(tmp_path / "downloaded"))

    monkeypatch.setattr("unbraid.separation.separator.find_model", find)
    return sent


def test_shows_the_progress_of_a_download(
    signals: list[int],
    separate: Separate,
    write_wave: WriteWave,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_wave(tmp_path / "song.wav", seconds=0.2)
    assert separate("song.wav", "-m", "auto") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["unbraid: using htdemucs", "model: downloading 100.0 MB"]
    assert separate("-q", "song.wav") == 0
    assert capsys.readouterr().err == ""


def test_a_signal_stops_a_download(
    signals: list[int],
    separate: Separate,
    write_wave: WriteWave,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    signals.append(signal.SIGTERM)
    write_wave(tmp_path / "song.wav", seconds=0.2)
    assert separate("-q", "song.wav") == 128 + signal.SIGTERM
    assert "Stopped" in capsys.readouterr().err
    assert stems_in(tmp_path) == ["song.wav"]


def test_a_model_without_vocals_writes_all_stems(
    separate: Separate, write_wave: WriteWave, tmp_path: Path
) -> None:
    (tmp_path / "dry").mkdir()
    spectral_model(tmp_path / "dry", [0.5, 0.5], ("dry", "reverb"))
    write_wave(tmp_path / "song.wav", seconds=0.5)
    assert separate("song.wav", "-m", "dry") == 0
    assert stems_in(tmp_path / "separated" / "song") == ["dry.wav", "reverb.wav"]


def test_a_word_writes_what_it_says_and_names_the_model(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wave(tmp_path / "song.wav", seconds=0.5)
    assert separate("song.wav", "-m", "four-stems") == 0
    assert "unbraid: Using lite for four-stems.\n" in capsys.readouterr().err
    assert stems_in(tmp_path / "separated" / "song") == ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]
    assert separate("song.wav", "-m", "four_stems", "--stems", "drums", "-o", "out", "-q") == 0
    assert stems_in(tmp_path / "out" / "song") == ["drums.wav", "no_drums.wav"]
