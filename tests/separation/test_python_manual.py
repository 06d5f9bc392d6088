"""The examples of docs/python.md run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.conftest import WriteWave

from unbraid import Separator

MANUAL = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")


def examples(heading: str) -> str:
    """Return the code below a heading of the manual."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", MANUAL, re.S | re.M)
    assert found, heading
    return "\n".join(re.findall(r"^    (.*)$|^$", found.group(1), re.M))


@pytest.mark.parametrize(
    ("heading", "files"),
    [
        ("Which stems", ["mix.wav", "no_bass.wav"]),
        ("Stem files for DJ software", ["song.stem.mp4"]),
        ("Progress and cancelling", ["no_vocals.wav", "vocals.wav"]),
        ("Errors and warnings", ["no_vocals.wav", "vocals.wav"]),
        ("Stems while the song is separated", []),
        ("Arrays and tensors", []),
        ("Part of a song", []),
    ],
)
def test_the_examples_of_a_section_run(
    heading: str,
    files: list[str],
    model_folder: Path,
    write_wave: WriteWave,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_wave(tmp_path / "song.mp3", seconds=0.5)
    variables = {"separator": Separator(model_folder, threads=1)}
    exec("import numpy as np", variables)
    exec(examples(heading), variables)
    assert sorted(path.name for path in tmp_path.glob("out/song/[!.]*")) == files


def test_the_table_of_errors_lists_what_the_package_has() -> None:
    import unbraid

    named = set(re.findall(r"^\| `(\w+)` \| .* \| .* \|$", MANUAL, re.M))
    errors = {name for name in unbraid.__all__ if isinstance(getattr(unbraid, name), type)}
    errors = {name for name in errors if issubclass(getattr(unbraid, name), Exception)}
    assert named == errors - {"UnbraidError"}
