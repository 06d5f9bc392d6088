"""`unbraid demucs --repo` with a full-size HTDemucs, compared with demucs."""

from __future__ import annotations

from pathlib import Path

import demucs.separate
import numpy as np
import pytest
from tests.conftest import WriteWave
from tests.demucs.published_run import PublishedRun, options, published_run
from tests.separation.conftest import read
from tests.separation.engines import ENGINES, LIMITS_DB, choose, skip_native_check
from tests.separation.known_models import SOURCES

from unbraid.cli.main import main


@pytest.fixture(autouse=True)
def native_library_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_native_check(monkeypatch)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> PublishedRun:
    return published_run(tmp_path_factory.getbasetemp(), write_wave)


@pytest.fixture(scope="module")
def repo(run: PublishedRun) -> Path:
    """A folder with a bag called `htdemucs` of one network with seeded random weights."""
    return run.repo


@pytest.mark.parametrize("engine", ENGINES)
def test_the_default_model_gives_the_stems_of_demucs(
    engine: str, run: PublishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(engine, monkeypatch)
    assert main(["demucs", *options(run.repo, run.song, tmp_path)]) == 0
    for stem in SOURCES:
        ours = read(tmp_path / "htdemucs" / "song" / f"{stem}.wav")
        theirs = read(run.stems / f"{stem}.wav")
        assert ours.shape == theirs.shape == (2, 88200)
        error_db = 10 * np.log10(np.square(ours - theirs).sum() / np.square(theirs).sum())
        assert error_db < LIMITS_DB[engine]


def test_takes_the_segment_of_the_network_to_the_tenth_of_a_second(
    repo: Path, write_wave: WriteWave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_wave(tmp_path / "song.wav", seconds=0.5)
    options = ["--repo", str(repo), "--shifts", "0", "-d", "cpu", "song.wav"]
    assert main(["demucs", *options, "-o", "default"]) == 0
    assert main(["demucs", *options, "-o", "given", "--segment", "7.8"]) == 0
    default, given = (
        (tmp_path / out / "htdemucs" / "song" / "bass.wav").read_bytes() for out in ("default", "given")
    )
    assert given == default


def test_rejects_a_segment_longer_than_the_network_allows(
    repo: Path, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    assert (
        main(["demucs", "--repo", str(repo), "--segment", "8", str(song), "-o", str(tmp_path / "out")]) == 1
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert "7.8" in line
    assert not (tmp_path / "out").exists()


def test_list_models_prints_the_same_as_demucs(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        demucs.separate.main(["--list-models", "--repo", str(repo)])
    theirs = capsys.readouterr().out
    assert main(["demucs", "--list-models", "--repo", str(repo)]) == 0
    assert capsys.readouterr().out == theirs
