"""Tags survive from every format to every other, under the names that players and DJ programs read."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio import tagged
from tests.audio.sounds import decode
from tests.audio.tagged import encode, frames, serato, tags_of, text, with_language
from tests.broken_files import png

from unbraid.audio.formats import FORMATS
from unbraid.audio.probe import probe
from unbraid.audio.tags import mp4
from unbraid.audio.tags.model import Chapter, Picture, Tags
from unbraid.audio.tags.places import put_mp4_items
from unbraid.audio.tags.read import picture
from unbraid.errors import InputError

TEXTS = {
    "title": "Пісня ☃",
    "artist": "A; B",
    "album": "Album",
    "album_artist": "Various",
    "date": "2020-05-04",
    "original_date": "1999",
    "track": "3/9",
    "disc": "1/2",
    "genre": "House",
    "bpm": "127.5",
    "initial_key": "8A",
    "energy": "7",
    "mood": "Happy",
    "grouping": "Warm-up",
    "compilation": "1",
    "comment": "8A - Energy 7",
    "lyrics": "la la\nlu",
    "composer": "C",
    "lyricist": "L",
    "conductor": "D",
    "remixer": "R",
    "subtitle": "Club mix",
    "publisher": "Label",
    "isrc": "GBAYE0000001",
    "catalog_number": "CAT 1",
    "title_sort": "Song",
    "artist_sort": "B, A",
    "album_sort": "Album, The",
    "album_artist_sort": "V",
    "composer_sort": "C, C",
    "musicbrainz_albumid": "2c1a",
    "replaygain_track_gain": "-7.00 dB",
    "replaygain_album_gain": "-6.50 dB",
    "Own": "value",
}
PEAKS = {"replaygain_track_peak": "0.988", "replaygain_album_peak": "0.999"}
CHAPTERS = (Chapter(100, 400, "Intro"), Chapter(400, 900, "Drop ☃"))
# What FFmpeg, which has readers of its own, calls them.
NATIVE = {
    "mp3": {
        "TBPM": "127.5",
        "TKEY": "8A",
        "TPE4": "R",
        "TIT3": "Club mix",
        "TSRC": "GBAYE0000001",
        "TMOO": "Happy",
    }
    | {
        "publisher": "Label",
        "compilation": "1",
        "EnergyLevel": "7",
        "lyrics-eng": "la la\nlu",
        "grouping": "Warm-up",
    }
    | {
        "REPLAYGAIN_TRACK_GAIN": "-7.00 dB",
        "comment": "8A - Energy 7",
        "TDOR": "1999",
        "CATALOGNUMBER": "CAT 1",
    },
    "flac": {"BPM": "127.5", "INITIALKEY": "8A", "REMIXER": "R", "LABEL": "Label", "ISRC": "GBAYE0000001"}
    | {
        "COMPILATION": "1",
        "ENERGYLEVEL": "7",
        "LYRICS": "la la\nlu",
        "GROUPING": "Warm-up",
        "TRACKTOTAL": "9",
    }
    | {"REPLAYGAIN_TRACK_GAIN": "-7.00 dB", "COMMENT": "8A - Energy 7", "track": "3", "DISCTOTAL": "2"},
    "opus": {"BPM": "127.5", "INITIALKEY": "8A", "R128_TRACK_GAIN": "-3072", "COMMENT": "8A - Energy 7"},
    "m4a": {
        "initialkey": "8A",
        "REMIXER": "R",
        "LABEL": "Label",
        "ISRC": "GBAYE0000001",
        "BPM": "127.5",
    }
    | {"compilation": "1", "EnergyLevel": "7", "lyrics": "la la\nlu", "grouping": "Warm-up", "track": "3/9"}
    | {"REPLAYGAIN_TRACK_GAIN": "-7.00 dB", "comment": "8A - Energy 7", "sort_artist": "B, A", "disc": "1/2"},
}
DJ_FRAMES = [
    ("GEOB", serato("Serato Markers2", b"\1\1cues")),
    ("GEOB", serato("Serato BeatGrid", b"\1\0grid")),
    ("PRIV", b"TRAKTOR4\0\0tree\xff\0\xfe"),
]
OTHER_FRAMES = [
    ("POPM", b"no@email\0\xc4\0\0\0\5"),
    ("SYLT", b"\0eng\2\1\0la\0\0\0\0\x64"),
    ("TIPL", text("producer\0P")),
]
FILE_FRAMES = [  # about the file or its encoder
    ("TLEN", text("999")),
    ("TSSE", text("LAME")),
    ("PRIV", b"PeakValue\0\1\2\3\4"),
    ("GEOB", serato("Serato Overview", b"wave")),
    ("GEOB", serato("Serato Offsets_", b"offsets")),
]


def metadata(path: Path) -> dict[str, str]:
    """Read the tags with FFmpeg."""
    with av.open(str(path)) as container:
        return dict(container.metadata) | dict(container.streams.audio[0].metadata)


def two_covers() -> tuple[Picture, ...]:
    return Picture(png(), "image/png", 8, 8, 3, "front"), Picture(png() + b"\0", "image/png", 8, 8, 4, "back")


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_tags_survive_from_every_format_to_every_other(tmp_path: Path, source: str, target: str) -> None:
    texts = TEXTS | ({} if "opus" in (source, target) else PEAKS)  # Opus has no place for peaks
    song = probe(encode(tmp_path / f"song.{source}", tags_of(texts))).tags
    stem = probe(encode(tmp_path / f"stem.{target}", song)).tags
    expected = {name: (value,) for name, value in texts.items()}
    if "OWN" in stem.texts:  # Vorbis comments are in capitals
        expected["OWN"] = expected.pop("Own")
    assert dict(stem.texts) == expected


@pytest.mark.parametrize("format", NATIVE)
def test_ffmpeg_finds_tags_under_the_names_of_the_format(tmp_path: Path, format: str) -> None:
    found = metadata(encode(tmp_path / f"stem.{format}", tags_of(TEXTS | PEAKS)))
    assert found.items() >= NATIVE[format].items()


def test_wav_has_the_same_frames_as_mp3(tmp_path: Path) -> None:
    tags = Tags(tags_of(TEXTS | PEAKS).texts, two_covers(), CHAPTERS)
    wav, mp3 = (encode(tmp_path / f"stem.{format}", tags).read_bytes() for format in ("wav", "mp3"))
    assert frames(wav) == frames(mp3)
    assert frames(mp3)["TBPM"] == [b"\x03127.5"]
    assert b"INAM" in wav, "the INFO chunk, for programs that read only that"


def test_tempo_and_key_of_an_mp3_reach_an_m4a(tmp_path: Path) -> None:
    song = tagged.tagged_mp3(tmp_path / "song.mp3", tagged.id3([("TBPM", text("128")), ("TKEY", text("Am"))]))
    stem = encode(tmp_path / "stem.m4a", probe(song).tags)
    assert b"tmpo\0\0\0\x12data\0\0\0\x15\0\0\0\0\0\x80" in stem.read_bytes()
    assert metadata(stem)["initialkey"] == "Am"
    assert "BPM" not in metadata(stem), "only tempos with decimals need it"


@pytest.mark.parametrize("format", FORMATS)
def test_several_values_survive(tmp_path: Path, format: str) -> None:
    texts = {"artist": ("A", "B"), "genre": ("House", "Techno"), "Own": ("1", "2")}
    song = probe(encode(tmp_path / f"song.{format}", Tags(texts))).tags
    for target in FORMATS:
        stem = probe(encode(tmp_path / f"stem.{target}", song)).tags.texts
        assert (stem["artist"], stem["genre"]) == (("A", "B"), ("House", "Techno"))
        assert stem.get("Own", stem.get("OWN")) == ("1", "2")


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("target", ["mp3", "wav"])
def test_ratings_timed_lyrics_and_credits_stay_in_id3(tmp_path: Path, version: int, target: str) -> None:
    song = tagged.tagged_mp3(tmp_path / "song.mp3", tagged.id3(OTHER_FRAMES + FILE_FRAMES, version))
    found = frames(encode(tmp_path / f"stem.{target}", probe(song).tags).read_bytes())
    assert {(name, data) for name, all_data in found.items() for data in all_data} == set(OTHER_FRAMES)


def test_cues_and_grids_of_dj_programs_stay_in_files_of_the_same_kind(tmp_path: Path) -> None:
    tag = tagged.id3(DJ_FRAMES + FILE_FRAMES)
    mp3 = probe(tagged.tagged_mp3(tmp_path / "song.mp3", tag)).tags
    wav = probe(tagged.tagged_wav(tmp_path / "song.wav", tag)).tags
    comments = {"SERATO_MARKERS_V2": ("YXBw",), "SERATO_OVERVIEW": ("YXBw",)}
    flac = probe(encode(tmp_path / "song.flac", Tags(comments))).tags

    def marks(song: Tags, target: str) -> int:
        data = encode(tmp_path / f"stem.{target}", song).read_bytes()
        return sum(
            mark in data for mark in (b"\1\1cues", b"\1\0grid", b"TRAKTOR4\0\0tree\xff\0\xfe", b"YXBw")
        )

    assert [marks(mp3, target) for target in FORMATS] == [0, 0, 3, 0, 0]
    assert [marks(wav, target) for target in FORMATS] == [3, 0, 0, 0, 0]
    assert [marks(flac, target) for target in FORMATS] == [0, 1, 0, 0, 0]


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_covers_survive_with_type_and_description(tmp_path: Path, source: str, target: str) -> None:
    song = probe(encode(tmp_path / f"song.{source}", Tags(pictures=two_covers())))
    stem = probe(encode(tmp_path / f"stem.{target}", song.tags))
    assert [one.data for one in stem.tags.pictures] == [png(), png() + b"\0"]
    assert (stem.streams, stem.tags.cover and stem.tags.cover.data) == (1, png())
    if "m4a" not in (source, target):  # MP4 has neither types nor descriptions
        assert stem.tags.pictures == two_covers()


def test_front_cover_comes_first_in_m4a(tmp_path: Path) -> None:
    stem = encode(tmp_path / "stem.m4a", Tags(pictures=two_covers()[::-1]))
    assert [one.data for one in probe(stem).tags.pictures] == [png(), png() + b"\0"]


def test_covers_without_descriptions_are_told_apart_in_id3(tmp_path: Path) -> None:
    covers = tuple(Picture(png(), "image/png", 8, 8, 0) for _ in range(3))
    apics = frames(encode(tmp_path / "stem.mp3", Tags(pictures=covers)).read_bytes())["APIC"]
    assert len({data.split(b"\0")[1] + data.split(b"\0")[2] for data in apics}) == 3


@pytest.mark.parametrize("data", [b"not a picture", b"GIF89a", b""])
def test_ignores_unusable_cover(data: bytes) -> None:
    assert picture(data) is None


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_chapters_survive_and_the_sound_stays_in_place(tmp_path: Path, source: str, target: str) -> None:
    song = probe(encode(tmp_path / f"song.{source}", Tags(chapters=CHAPTERS), samples=tagged.RATE)).tags
    path = encode(tmp_path / f"stem.{target}", song, samples=tagged.RATE)
    stem = probe(path).tags.chapters
    assert [(chapter.start_ms, chapter.title) for chapter in stem] == [(100, "Intro"), (400, "Drop ☃")]
    assert decode(path).shape == decode(encode(tmp_path / f"plain.{target}", samples=tagged.RATE)).shape


@pytest.mark.parametrize("format", FORMATS)
def test_chapters_that_overlap_or_lie_beyond_the_end_do_no_harm(tmp_path: Path, format: str) -> None:
    chapters = (
        Chapter(0, 4_000_000, "all"),
        Chapter(0, 200, "a"),
        Chapter(200, 900),
        Chapter(300_000, 400_000),
    )
    path = encode(tmp_path / f"stem.{format}", Tags(chapters=chapters), samples=tagged.RATE)
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(1_000_000, abs=60_000)
    assert [one.start_ms for one in probe(path).tags.chapters][-1] == 200


def test_replay_gain_keeps_stems_in_balance(tmp_path: Path) -> None:
    gains = {"replaygain_track_gain": "-7.00 dB", "replaygain_track_peak": "0.988"}
    song = probe(encode(tmp_path / "song.flac", tags_of(gains))).tags
    assert probe(encode(tmp_path / "stem.mp3", song)).tags.texts == song.texts
    opus = encode(tmp_path / "stem.opus", song)
    assert metadata(opus)["R128_TRACK_GAIN"] == str((-7 - 5) * 256)
    assert "REPLAYGAIN_TRACK_GAIN" not in metadata(opus)
    assert (
        probe(encode(tmp_path / "again.flac", probe(opus).tags)).tags.text("replaygain_track_gain")
        == "-7.00 dB"
    )


def test_drops_tags_about_the_file(tmp_path: Path) -> None:
    about_the_file = {
        "iTunSMPB": " 00000000 00000840 000001CA",
        "encoder": "LAME",
        "acoustid_fingerprint": "AQ",
        "com.apple.quicktime.location.ISO6709": "+50+030/",
        "BPS-eng": "1411",
        "mp3gain_undo": "+1",
    }
    song = encode(tmp_path / "song.flac", tags_of({"title": "Song"} | about_the_file))
    assert probe(song).tags.texts == {"title": ("Song",)}


def test_drops_the_buyer_of_a_song_and_keeps_other_atoms(tmp_path: Path) -> None:
    atoms = [
        ("©nam", "Song"),
        ("ownr", "A. Buyer"),
        ("apID", "a@example.org"),
        ("xid ", "id"),
        ("tvsh", "Show"),
    ]
    ilst = b"".join(
        mp4.box(name, mp4.box("data", b"\0\0\0\1\0\0\0\0" + text.encode())) for name, text in atoms
    )
    song = encode(tmp_path / "song.m4a")
    with song.open("r+b") as file:
        put_mp4_items(file, ilst)
    stem = encode(tmp_path / "stem.m4a", probe(song).tags).read_bytes()
    assert [text for _, text in atoms if text.encode() in stem] == ["Song", "Show"]


def test_reads_dates_and_genre_numbers_of_id3_2_3(tmp_path: Path) -> None:
    old = [("TYER", text("1994")), ("TDAT", text("3112")), ("TORY", text("1981")), ("TCON", text("(17)"))]
    song = probe(tagged.tagged_mp3(tmp_path / "song.mp3", tagged.id3(old, 3))).tags
    assert (song.text("date"), song.text("original_date"), song.text("genre")) == (
        "1994-12-31",
        "1981",
        "Rock",
    )
    found = frames(encode(tmp_path / "stem.mp3", song).read_bytes())
    assert (found["TDRC"], found.keys() & {"TYER", "TDAT", "TORY"}) == ([b"\x031994-12-31"], set())


def test_reads_a_second_tag_behind_an_empty_one(tmp_path: Path) -> None:
    tags = tagged.id3([]) + tagged.id3([("TIT2", text("Song")), ("TBPM", text("128"))])
    song = probe(tagged.tagged_mp3(tmp_path / "song.mp3", tags)).tags
    assert song.texts == {"title": ("Song",), "bpm": ("128",)}


def test_reads_id3_2_2(tmp_path: Path) -> None:
    body = b"".join(
        name + len(data).to_bytes(3, "big") + data
        for name, data in [
            (b"TBP", b"\x00128"),
            (b"TKE", b"\x00Am"),
            (b"COM", b"\0eng\0hi"),
            (b"TT2", b"\0Song"),
        ]
    )
    song = tagged.tagged_mp3(tmp_path / "song.mp3", b"ID3\2\0\0" + tagged.safe(len(body)) + body)
    texts = {"bpm": ("128",), "initial_key": ("Am",), "comment": ("hi",), "title": ("Song",)}
    assert probe(song).tags.texts == texts
    assert probe(encode(tmp_path / "stem.mp3", probe(song).tags)).tags.texts == texts


def test_reads_unsynchronised_and_miscounted_frames(tmp_path: Path) -> None:
    grid = serato("Serato BeatGrid", b"\xff\0" * 100)
    long = ("COMM", with_language("x" * 200))  # 411 bytes
    plain = tagged.id3([("GEOB", grid), long], 3)
    body = plain[10:].replace(b"\xff", b"\xff\0")
    unsynchronised = b"ID3\3\0\x80" + tagged.safe(len(body)) + body
    miscounted = b"ID3\4\0\0" + plain[6:]  # sizes as in 2.3, as iTunes wrote them
    for tag in (plain, unsynchronised, miscounted):
        song = probe(tagged.tagged_mp3(tmp_path / "song.mp3", tag)).tags
        assert song.text("comment") == "x" * 200
        assert frames(encode(tmp_path / "stem.mp3", song).read_bytes())["GEOB"] == [grid]


@pytest.mark.parametrize("format", FORMATS)
def test_large_covers_fit(tmp_path: Path, format: str) -> None:
    cover = Picture(png() + bytes(3 << 20), "image/png", 8, 8)
    path = encode(tmp_path / f"stem.{format}", Tags(tags_of({"title": "Song"}).texts, (cover, cover)))
    tags = probe(path).tags
    assert [len(one.data) for one in tags.pictures] == [len(cover.data)] * 2
    assert tags.text("title") == "Song"


def test_leaves_out_a_picture_beyond_the_limit_of_flac(tmp_path: Path) -> None:
    huge, small = Picture(png() + bytes(1 << 24), "image/png", 8, 8), Picture(png(), "image/png", 8, 8)
    path = encode(tmp_path / "stem.flac", Tags(tags_of({"title": "Song"}).texts, (huge, small)))
    assert [one.data for one in probe(path).tags.pictures] == [png()]
    assert probe(path).tags.text("title") == "Song"


@pytest.mark.parametrize("format", FORMATS)
def test_tags_beyond_every_limit_do_no_harm(tmp_path: Path, format: str) -> None:
    path = encode(tmp_path / f"stem.{format}", tags_of({"lyrics": "la " * (6 << 20)}), samples=tagged.RATE)
    assert decode(path).shape == (2, 48000 if format == "opus" else tagged.RATE)


@pytest.mark.parametrize("format", FORMATS)
def test_accepts_odd_characters_in_tags(tmp_path: Path, format: str) -> None:
    texts = {
        "title": "half a \udcff character",
        "comment": "line\nline\0end",
        "x=y": "z",
        "": "no name",
        "bpm": "fast",
    }
    path = encode(
        tmp_path / f"stem.{format}", tags_of(texts | {"track": "A1", "compilation": "yes", "disc": "9" * 20})
    )
    assert probe(path).tags.text("title") == "half a ? character"


def test_size_of_rf64_counts_the_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unbraid.audio.formats import OutputFormat

    monkeypatch.setattr(OutputFormat, "container_options", lambda *_: {"rf64": "always"})
    path = encode(tmp_path / "stem.wav", tags_of({"title": "Song", "bpm": "128"}))
    data = path.read_bytes()
    assert data[:4] == b"RF64"
    assert struct.unpack_from("<Q", data, 20) == (len(data) - 8,)
    assert probe(path).tags.text("bpm") == "128"


@settings(max_examples=300, deadline=None)
@given(
    format=st.sampled_from(FORMATS),
    place=st.floats(0, 1),
    change=st.one_of(
        st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f" * 4])
    ),
    cut=st.booleans(),
)
def test_damaged_tags_never_crash(
    tmp_path_factory: pytest.TempPathFactory, format: str, place: float, change: bytes, cut: bool
) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = folder / f"whole.{format}"
    if not whole.exists():
        encode(whole, Tags(tags_of(TEXTS).texts, two_covers(), CHAPTERS), samples=tagged.RATE)
    data = bytearray(whole.read_bytes())
    # The tags are the first or the last part of the file.
    position = int(place * 6000) if format in ("mp3", "flac", "opus") else len(data) - 1 - int(place * 6000)
    data[position : position + len(change)] = change
    damaged = folder / f"damaged.{format}"
    damaged.write_bytes(data[: position + 1] if cut else data)
    try:
        tags = probe(damaged).tags
    except InputError:
        return
    encode(folder / f"stem.{format}", tags)


def test_comments_of_opus_may_be_longer_than_a_page(tmp_path: Path) -> None:
    lyrics = base64.b64encode(bytes(200_000)).decode()
    path = encode(tmp_path / "stem.opus", tags_of({"lyrics": lyrics, "title": "Song"}))
    assert metadata(path)["LYRICS"] == lyrics
