"""Stems carry the tempo and key of their song, heard in the stems as they are written."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
from tests.analysis.sounds import RATE_HZ, chords, clicks
from tests.separation.conftest import WriteSong

from unbraid import Separator
from unbraid.audio.encode import Encoder
from unbraid.audio.formats import FORMATS
from unbraid.audio.probe import probe
from unbraid.audio.tags.model import Tags
from unbraid.separation.song_record import RECORD

Song = np.ndarray
CADENCE = 2 * [(45, 57, 60, 64), (38, 57, 62, 65), (40, 56, 59, 64), (45, 57, 60, 64)]


@pytest.fixture(scope="module")
def sound() -> Song:
    """A minor at 120 beats a minute."""
    return chords(CADENCE) + clicks(120, len(CADENCE))


def write_tagged(path: Path, sound: Song, **texts: str) -> Path:
    tags = Tags(texts={name: (text,) for name, text in texts.items()})
    with Encoder(path, sample_rate=RATE_HZ, channels=2, format=path.suffix[1:], tags=tags) as encoder:
        encoder.write(sound)
    return path


@pytest.mark.parametrize("format", FORMATS)
def test_stems_of_every_format_have_tempo_and_key(
    separator: Separator, write_song: WriteSong, sound: Song, tmp_path: Path, format: str
) -> None:
    result = separator.separate_to_files(write_song(sound, RATE_HZ), tmp_path, format=format, stems="all")
    assert (result.bpm, result.key) == (pytest.approx(120, abs=0.5), "A minor")
    assert np.diff(result.beats) == pytest.approx(0.5, abs=0.03)
    for path in result.files.values():
        tags = probe(path).tags
        assert float(tags.text("bpm") or 0) == result.bpm
        assert tags.text("initial_key") == "Am"


@pytest.mark.parametrize("format", ["mp3", "m4a", "opus"])
def test_the_tags_of_the_song_win(separator: Separator, sound: Song, tmp_path: Path, format: str) -> None:
    song = write_tagged(tmp_path / f"song.{format}", sound, bpm="61.5", title="Song")
    result = separator.separate_to_files(song, tmp_path, format=format)
    tags = probe(result.files["vocals"]).tags
    assert (tags.text("bpm"), tags.text("initial_key"), tags.text("title")) == ("61.5", "Am", "Song")
    assert result.bpm == pytest.approx(120, abs=0.5)


def test_parts_of_stems_have_the_tags_of_the_song(
    separator: Separator, gains_folder: Path, write_song: WriteSong, sound: Song, tmp_path: Path
) -> None:
    song = write_song(sound, RATE_HZ)
    for format in ("wav", "mp3"):
        result = separator.separate_to_files(
            song, tmp_path, format=format, then={"no_vocals": str(gains_folder)}
        )
        part = result.files["no_vocals.drums"]
        assert probe(part).tags.text("initial_key") == "Am"


def test_skipped_songs_keep_tempo_and_key(
    separator: Separator, write_song: WriteSong, sound: Song, tmp_path: Path
) -> None:
    song = write_song(sound, RATE_HZ)
    first, again = (separator.separate_to_files(song, tmp_path, existing="skip") for _ in range(2))
    assert again.skipped
    assert again.music == first.music
    assert again.bpm == pytest.approx(120, abs=0.5)
    np.testing.assert_allclose(again.beats, first.beats, atol=0.0005)
    record = tmp_path / "song" / RECORD
    older = json.loads(record.read_text())
    del older["making"]["music"]  # a record of an older version
    record.write_text(json.dumps(older))
    result = separator.separate_to_files(song, tmp_path, existing="skip")
    assert (result.skipped, result.bpm, list(result.beats)) == (True, None, [])


def test_songs_without_beat_and_key_get_no_tags(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, (2, 10 * RATE_HZ)).astype(np.float32)
    result = separator.separate_to_files(write_song(noise, RATE_HZ), tmp_path)
    assert (result.bpm, result.key, len(result.beats)) == (None, None, 0)
    tags = probe(result.files["vocals"]).tags
    assert (tags.text("bpm"), tags.text("initial_key")) == (None, None)


def test_the_example_of_the_manual(
    separator: Separator,
    write_song: WriteSong,
    sound: Song,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
    (example,) = re.findall(
        r"(?:    .*\n|\n)*    from unbraid\.analysis import(?:    .*\n|.*\n|\n)*?(?=\n\S)", manual
    )
    names = {
        "result": separator.separate_to_files(write_song(sound, RATE_HZ), tmp_path),
        "stems": separator.separate(sound, RATE_HZ),
    }
    exec(textwrap.dedent(example), names)
    assert capsys.readouterr().out.startswith("120.0 A minor [")
    assert names["music"] == names["result"].music  # type: ignore[attr-defined]
