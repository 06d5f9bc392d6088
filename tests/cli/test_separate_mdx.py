"""`unbraid separate -m FILE.onnx` separates with an MDX-Net, and says in one line why another file doesn't work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import WriteWave
from tests.models.mdx_files import write_small
from tests.separation.conftest import read

from unbraid import Separator
from unbraid.cli.main import main


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))


def test_writes_stems_that_add_up(write_wave: WriteWave, tmp_path: Path) -> None:
    song, file, out = write_wave(tmp_path / "song.wav", seconds=1.3), write_small(tmp_path), tmp_path / "out"
    options = ["--float32", "--clip-mode", "none"]
    assert main(["separate", str(song), "-m", str(file), "-o", str(out), *options]) == 0
    vocals, rest = read(out / "song" / "vocals.wav"), read(out / "song" / "no_vocals.wav")
    assert np.abs(vocals).max() > 0.01
    np.testing.assert_allclose(vocals + rest, read(song), atol=1e-6)


def test_says_why_a_file_is_no_mdx_net(
    write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song, file = write_wave(tmp_path / "song.wav", seconds=0.1), tmp_path / "a.onnx"
    file.write_bytes(b"\x80\x02}q\x00.")
    assert main(["separate", str(song), "-m", str(file), "-o", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"unbraid: {file} can't be used: it is damaged, truncated or not an ONNX file.")
    assert not (tmp_path / "out").exists()


def test_chunks_of_audio_separator(
    write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song, file, out = write_wave(tmp_path / "song.wav", seconds=1.5), write_small(tmp_path), tmp_path / "out"
    options = ["--chunks", "audio-separator", "--float32", "--clip-mode", "none", "-o", str(out)]
    assert main(["separate", str(song), "-m", str(file), *options]) == 0
    expected = Separator(file, chunks="audio-separator").separate(song)
    assert np.array_equal(read(out / "song" / "vocals.wav"), expected["vocals"])
    capsys.readouterr()
    assert main(["separate", str(song), "-m", "lite", *options]) == 2
    assert "is for MDX-Net and MDX23C, and lite is neither" in capsys.readouterr().err
