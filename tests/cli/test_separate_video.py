"""`unbraid separate --video`: the video without the vocals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.audio.sounds import KINDS, bursts, write
from tests.cli.conftest import Separate, stems_in
from tests.conftest import WriteWave

from unbraid.audio.probe import probe


def video(folder: Path) -> Path:
    kind = next(kind for kind in KINDS if kind.name == "mp4-aac")
    return write(folder / "video.mp4", bursts(44100, 2, 44100), 44100, kind)


@pytest.mark.parametrize(
    ("stems", "name"), [("vocals", "no_vocals.mp4"), ("drums", "no_drums.mp4"), ("all", "no_vocals.mp4")]
)
def test_writes_the_video_beside_the_stems(
    separate: Separate, tmp_path: Path, capsys: pytest.CaptureFixture[str], stems: str, name: str
) -> None:
    assert separate(video(tmp_path), "--video", "--stems", stems, "--json") == 0
    folder = tmp_path / "separated" / "video"
    assert name in stems_in(folder)
    assert probe(folder / name).codec == "aac"
    assert json.loads(capsys.readouterr().out)["files"]["video"] == f"separated/video/{name}"


def test_a_song_without_video_fails_before_any_work(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate(write_wave(tmp_path / "song.wav"), "--video") == 1
    assert "is not a video" in capsys.readouterr().err
    assert not (tmp_path / "separated").exists()
