"""`unbraid separate`: tempo and key in its outputs, and `--format stem`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.analysis.sounds import chords, clicks
from tests.audio.sounds import Sound
from tests.cli.conftest import Separate, stems_in
from tests.conftest import WriteWave

from unbraid.audio.encode import Encoder
from unbraid.cli.main import main


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A song in A minor at 120 beats a minute."""
    cadence: Sound = chords(2 * [(45, 57, 60, 64), (38, 57, 62, 65), (40, 56, 59, 64), (45, 57, 60, 64)])
    with Encoder(tmp_path / "song.wav", sample_rate=22_050, channels=2) as file:
        file.write(cadence + clicks(120, 8))
    return tmp_path / "song.wav"


def test_prints_tempo_and_key(separate: Separate, song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert separate(song, "--json") == 0
    output = capsys.readouterr()
    report = json.loads(output.out)
    assert (report["bpm"], report["key"]) == (pytest.approx(120, abs=0.5), "A minor")
    assert len(report["beats"]) == pytest.approx(16, abs=1)
    assert f"no_vocals, {report['bpm']:g} BPM, A minor (" in output.err


@pytest.mark.parametrize(
    ("section", "files"),
    [
        ("Stem files for DJ software", ["song.stem.mp4"]),
        ("Tempo and key", ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]),
    ],
)
def test_the_example_of_the_manual(
    section: str,
    files: list[str],
    separate: Separate,
    song: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
    example = re.search(rf"### {section}\n\n    \$ unbraid separate (.*)\n    (.*)\n", manual)
    assert example is not None
    song.rename(tmp_path / "song.mp3")  # files are recognised by their content
    assert separate(*example[1].split()) == 0
    assert stems_in(tmp_path / "separated" / "song") == files

    def without_figures(line: str) -> str:
        # A song that takes over a minute has a time like 1:05.
        return re.sub(r"[\d.]+", "N", re.sub(r"\d+:\d\d", "1 s", line))

    assert without_figures(capsys.readouterr().err.splitlines()[-1]) == without_figures(example[2])


def test_a_model_of_two_stems_is_an_error_before_its_download(
    tmp_path: Path, write_wave: WriteWave, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    for model in ("mdx_voc_ft", "karaoke"):
        assert main(["separate", "-m", model, "--format", "stem", str(song)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("unbraid: A stem file needs a model of drums, bass, other and vocals; ")
        assert "Choose another model, such as htdemucs or spleeter_4stems." in error
        assert error.count("\n") == 1


def test_other_stems_are_an_error(
    separate: Separate, tmp_path: Path, write_wave: WriteWave, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate(write_wave(tmp_path / "a.wav", seconds=0.1), "--format", "stem", "--stems", "drums") == 2
    assert "Leave out --stems drums, or choose another format." in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--format", "stem", "song.mp3"], ["song.mp3", "--format=stem"]])
def test_demucs_says_what_to_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["demucs", *arguments])
    assert end.value.code == 2
    assert "for a stem file: unbraid separate --format stem" in capsys.readouterr().err
