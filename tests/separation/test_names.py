"""Names of stems by a template: fields, missing tags, safe names, clashes."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.audio.tagged import tags_of
from tests.folders import everything_in
from tests.separation.conftest import noise

from unbraid.audio.encode import Encoder
from unbraid.errors import InputError, SettingError
from unbraid.separation import Result, Separator
from unbraid.separation.name_template import NameTemplate, TemplateNaming, field_values
from unbraid.separation.safe_names import safe_name, safe_text


def place(template: str, song: str = "b.mp3", number: int = 1, folder: str = "", **tags: str) -> str:
    """Return the path of `vocals.wav` below the output folder."""
    texts = {name: [text] for name, text in tags.items()}
    values = field_values(Path(song), Path(folder), "htdemucs", texts)
    naming = TemplateNaming(NameTemplate(template), values)
    return str(naming.folder(number) / naming.file("vocals.wav", number))


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{artist} - {title}/{stem}", "Ann - Song/vocals.wav"),
        ("{artist} - {title}/{stem}.{ext}", "Ann - Song/vocals.wav"),
        ("{track} - {stem}", "b.live - vocals.wav"),
        ("{model}/{album_artist}/{year} {album}/{stem}", "htdemucs/Ann/1999 Album/vocals.wav"),
        ("{tracknumber} {title} ({stem})", "03 Song (vocals).wav"),
        ("{folder}/{track}/{stem}", "one/two/b.live/vocals.wav"),
        ("{stem}/{track}", "vocals/b.live.wav"),
        ("{bpm} {key}/{track}/{stem}", "120 4A/b.live/vocals.wav"),
    ],
)
def test_fills_in_the_fields(template: str, path: str) -> None:
    tags = {"artist": "Ann", "title": "Song", "album": "Album", "date": "1999-05-01", "track": "3/12"}
    tags |= {"bpm": "120", "initial_key": "4A"}
    assert place(template, "a/b.live.mp3", folder="one/two", **tags) == path


@pytest.mark.parametrize(
    ("song", "tags", "path"),
    [
        ("x.mp3", {}, "Unknown artist/Unknown album/00 x - vocals.wav"),
        ("Ann - Song.mp3", {}, "Ann/Unknown album/00 Song - vocals.wav"),
        ("Ann - Song.mp3", {"title": "Other"}, "Unknown artist/Unknown album/00 Other - vocals.wav"),
        ("x.mp3", {"album_artist": "Band", "track": "none"}, "Band/Unknown album/00 x - vocals.wav"),
        ("x.mp3", {"artist": " ", "title": "\0"}, "Unknown artist/Unknown album/00 _ - vocals.wav"),
    ],
)
def test_replaces_missing_tags(song: str, tags: dict[str, str], path: str) -> None:
    assert place("{artist}/{album}/{tracknumber} {title} - {stem}", song, **tags) == path


def test_stem_files_keep_their_double_ending() -> None:
    names = {"{track}/{stem} x": "b x.stem.mp4", "{stem} x": "b x (2).stem.mp4"}
    for template, name in names.items():
        naming = TemplateNaming(NameTemplate(template), {"track": "b"})
        assert naming.file("b.stem.mp4", 2) == name


def test_numbers_the_folder_or_else_the_file() -> None:
    assert place("{title}/{stem}", number=2, title="Song") == "Song (2)/vocals.wav"
    assert place("{title} {stem}", number=2, title="Song") == "Song vocals (2).wav"
    assert place("{stem}/{title}", number=2, title="Song") == "vocals/Song (2).wav"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("AC/DC\\x", "AC_DC_x"),
        ('a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h"),
        ("tab\there", "tab_here"),
        ("CON", "CON_"),
        ("com1.txt", "com1_.txt"),
        ("lpt\u00b2", "lpt\u00b2_"),
        ("console", "console"),
        ("Etc...", "Etc"),
        (" .hidden", "_hidden"),
        ("..", "_"),
        ("", "_"),
        ("e\u0301", "\u00e9"),
        ("\udcff", "_"),
    ],
)
def test_makes_names_valid_on_all_systems(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(min_size=0, max_size=300), st.sampled_from(["", " (2)", ".wav", " (12).flac"]))
def test_every_name_is_valid(text: str, suffix: str) -> None:
    name = safe_name(text, suffix)
    assert name.endswith(suffix)
    assert 0 < len(os.fsencode(name)) <= 255
    assert not set(name) & set('<>:"/\\|?*')
    assert name.isprintable() or all(ord(c) >= 0x20 and not 0x7F <= ord(c) < 0xA0 for c in name)
    assert name == unicodedata.normalize("NFC", name)
    assert not name.startswith((" ", "."))
    assert not name.endswith((" ", "."))
    assert name.split(".")[0].strip().casefold() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}
    assert safe_text(safe_text(text)) == safe_text(text)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{track}", "Add {stem}"),
        ("{stem}/{colour}", "unknown field {colour}"),
        ("/tmp/{stem}", "leaves the output folder"),
        ("../{track}/{stem}", "leaves the output folder"),
        ("{ext}/{stem}", "in the wrong place"),
        ("{stem", "is invalid"),
        ("{stem!r}", "Only names"),
        ("{stem:>9}", "Only names"),
        ("{track.name}/{stem}", "unknown field {track.name}"),
        ("{0}/{stem}", "unknown field {0}"),
    ],
)
def test_rejects_an_invalid_template(template: str, problem: str) -> None:
    with pytest.raises(SettingError) as error:
        NameTemplate(template)
    assert problem in error.value.message


def song(path: Path, samples: int = 5000, **tags: str) -> Path:
    with Encoder(path, sample_rate=44100, channels=2, format="flac", tags=tags_of(tags)) as file:
        file.write(noise(2, samples))
    return path


@pytest.fixture(scope="module")
def separator(model_folder: Path) -> Separator:
    return Separator(model_folder)


def names_in(out: Path) -> list[str]:
    return [name for name in everything_in(out) if name.endswith(".wav")]


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{artist}/{title}/{stem}", ["Ann/Song/no_vocals.wav", "Ann/Song/vocals.wav"]),
        ("{stem}/{title}", ["no_vocals/Song.wav", "vocals/Song.wav"]),
        ("{title} - {stem}", ["Song - no_vocals.wav", "Song - vocals.wav"]),
    ],
)
def test_stems_of_the_same_song_are_replaced_and_others_numbered(
    template: str, names: list[str], separator: Separator, tmp_path: Path
) -> None:
    first = song(tmp_path / "a.flac", title="Song", artist="Ann")
    second = song(tmp_path / "b.flac", 6000, title="Song", artist="Ann")
    out = tmp_path / "out"
    separator.separate_to_files(first, out, template=template, stems="all")
    result = separator.separate_to_files(first, out, template=template)
    assert sorted(str(path.relative_to(out)) for path in result.files.values()) == names
    assert names_in(out) == names
    assert separator.separate_to_files(first, out, template=template, existing="skip").files == result.files
    for existing in ("replace", "skip"):
        other = separator.separate_to_files(second, out, template=template, existing=existing)  # type: ignore[arg-type]
        assert all("(2)" in str(path.relative_to(out)) for path in other.files.values())
        assert other.skipped == (existing == "skip")
        assert len(names_in(out)) == 4
    # The same name on macOS and Windows.
    third = song(tmp_path / "c.flac", 7000, title="SONG", artist="ann")
    both = dict(separator.separate_files([first, third], tmp_path / "both", template=template))
    assert (
        len({str(path).casefold() for one in both.values() for path in cast(Result, one).files.values()}) == 4
    )


def test_a_file_of_another_program_is_not_replaced(separator: Separator, tmp_path: Path) -> None:
    file = song(tmp_path / "a.flac", title="Song")
    out = tmp_path / "out"
    out.mkdir()
    (out / "Song vocals.wav").write_text("mine")
    result = separator.separate_to_files(file, out, template="{title} {stem}")
    assert result.files["vocals"] == out / "Song vocals (2).wav"
    assert (out / "Song vocals.wav").read_text() == "mine"


def test_an_error_leaves_no_folders(separator: Separator, tmp_path: Path) -> None:
    file = song(tmp_path / "a.flac", title="Song")
    with pytest.raises(InputError, match=r"no tag with its tempo, which \{bpm\}"):
        separator.separate_to_files(file, tmp_path / "out", template="{bpm}/{title}/{stem}")
    (tmp_path / "damaged.flac").write_bytes(file.read_bytes()[:200])
    with pytest.raises(InputError):
        separator.separate_to_files(
            tmp_path / "damaged.flac", tmp_path / "out", template="{title}/{stem}/{artist}"
        )
    assert not (tmp_path / "out").exists()
