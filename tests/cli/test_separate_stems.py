"""`unbraid separate --stems`: lists of stems, and the examples of the manuals."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Separate, stems_in
from tests.conftest import WriteWave
from tests.separation.conftest import read

DOCS = Path(__file__).parents[2] / "docs"


def section(page: str, heading: str) -> str:
    """Return the text below a heading of a page."""
    match = re.search(rf"^#+ {heading}\n(.*?)(?=^#)", (DOCS / page).read_text("utf-8") + "#", re.S | re.M)
    assert match, heading
    return match.group(1)


def commands(heading: str) -> list[list[str]]:
    """Return the arguments of the commands of a section of the manual, without the song."""
    lines = re.findall(r"^    \$ unbraid separate song\.mp3 (.*)$", section("cli.md", heading), re.M)
    return [shlex.split(line) for line in lines]


def test_the_commands_of_the_manual_write_what_they_name(
    separate: Separate, write_wave: WriteWave, tmp_path: Path
) -> None:
    song = write_wave(tmp_path / "song.mp3", seconds=0.3)
    examples = commands("Which stems")
    assert [arguments[-1] for arguments in examples] == [
        "no_bass",
        "vocals,drums",
        "vocals,drums+bass,rest,mix",
    ]
    for number, (option, stems) in enumerate(examples):
        assert separate("-q", song, "-o", str(number), option, stems) == 0
        names = [f"{name}.wav" for name in stems.split(",")]
        assert stems_in(tmp_path / str(number) / "song") == sorted(names)
    parts = {path.stem: read(path) for path in (tmp_path / "2" / "song").glob("*.wav")}
    mix = parts.pop("mix")
    assert np.array_equal(mix, read(song))
    assert sum(parts.values()) == pytest.approx(mix, abs=2**-14)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stems", "vocals,flute"], "There is no stem 'flute' in this model. Choose all, drums,"),
        (["--start", "0:05", "--end", "0:04"], "The end (0:04) must be after the start (0:05)."),
        (
            ["--start", "0:05", "--video"],
            "--then and --video need the whole song. Leave out --start and --end.",
        ),
        (["--end", "0:05", "--then", "vocals:lite"], "--then and --video need the whole song."),
        (["--stems", "vocals,drums", "--video"], "A video needs the sound of a stem such as no_vocals."),
    ],
)
def test_a_wrong_list_is_wrong_usage_before_any_work(
    options: list[str],
    message: str,
    separate: Separate,
    write_wave: WriteWave,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert separate("-q", write_wave(tmp_path / "song.wav", seconds=0.1), *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "separated").exists()


def test_a_part_of_the_song_is_that_part_of_its_stems(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = commands("Part of a song")
    assert examples == [["--start", "1:05", "--end", "1:35"], ["--start=-0:30"]]
    song = write_wave(tmp_path / "song.mp3", seconds=96, sample_rate=4000)
    assert separate("-q", song) == 0
    whole = read(tmp_path / "separated" / "song" / "vocals.wav")
    for arguments, name, seconds in (
        (examples[0], "song (1m05s to 1m35s)", (65, 95)),
        (examples[1], "song (-0m30s to the end)", (66, 96)),
    ):
        assert separate("--json", song, *arguments) == 0
        assert json.loads(capsys.readouterr().out)["duration_s"] == 30
        first, end = (4000 * second for second in seconds)
        part = read(tmp_path / "separated" / name / "vocals.wav")
        assert part.shape == (2, 120_000)
        assert np.abs(part - whole[:, first:end]).max() <= 2**-15


def test_an_invalid_time_is_wrong_usage(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leave:
        separate(write_wave(tmp_path / "song.wav", seconds=0.1), "--start", "noon")
    assert leave.value.code == 2
    assert "argument --start: invalid time value: 'noon'" in capsys.readouterr().err
