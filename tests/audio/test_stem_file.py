"""Stem files are as DJ programs and other readers expect them."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from tests.audio.sounds import Sound, bursts, decode, lag, noise
from tests.broken_files import png

from unbraid.audio.probe import probe
from unbraid.audio.stem_file import StemFile
from unbraid.audio.stem_names import STEM_FILE_TRACKS
from unbraid.audio.tags.model import Chapter, Tags
from unbraid.audio.tags.read import picture
from unbraid.errors import OutputError, SettingError
from unbraid.evaluation.multitrack import load

RATE_HZ = 44100


def write(path: Path, samples: int = 50_000, rate: int = RATE_HZ, **options: object) -> dict[str, Sound]:
    """Write a stem file of bursts in blocks of several sizes; return its tracks."""
    tracks = {name: bursts(samples, 2, rate, seed) for seed, name in enumerate(STEM_FILE_TRACKS)}
    with StemFile(path, sample_rate=rate, samples=samples, **options) as file:  # type: ignore[arg-type]
        for start in range(0, samples, 12_345):
            for name, sound in tracks.items():
                file.track(name).write(sound[:, start : start + 12_345])
    return tracks


def boxes(data: bytes, *path: str) -> Iterator[bytes]:
    """Yield the contents of the boxes at `path`, such as moov, trak (ISO/IEC 14496-12, section 4.2)."""
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        assert size >= 8
        if kind == path[0].encode():
            content = data[position + 8 : position + size]
            yield from boxes(content, *path[1:]) if len(path) > 1 else [content]
        position += size


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Sound]]:
    path = tmp_path_factory.mktemp("stems") / "song.stem.mp4"
    return path, write(path)


def test_obeys_the_rules_of_mixxx(written: tuple[Path, dict[str, Sound]]) -> None:
    """The rules of Mixxx 2.6, src/sources/soundsourcestem.cpp and src/track/steminfoimporter.cpp."""
    path, _ = written
    assert path.name.endswith((".stem.mp4", ".stem.m4a"))
    with av.open(str(path)) as file:
        # Streams are found by their position in the file, so no other stream may come before them.
        assert [stream.type for stream in file.streams][:5] == ["audio"] * 5
        streams = file.streams.audio
        assert len(streams) == 5
        assert {stream.codec_context.channels for stream in streams} == {2}
        assert {stream.sample_rate for stream in streams} == {RATE_HZ}
        assert None not in {stream.duration for stream in streams}
        assert len({(stream.duration, stream.start_time) for stream in streams}) == 1
    (content,) = boxes(path.read_bytes(), "moov", "udta", "stem")
    manifest = json.loads(content.rstrip(b"\0"))
    assert manifest["version"] == 1
    assert [stem["name"] for stem in manifest["stems"]] == ["Drums", "Bass", "Other", "Vocals"]
    assert all(re.fullmatch(r"#[0-9A-F]{6}", stem["color"]) for stem in manifest["stems"])
    assert {name: dsp["enabled"] for name, dsp in manifest["mastering_dsp"].items()} == {
        "compressor": False,
        "limiter": False,
    }


def test_only_the_mixture_is_enabled(written: tuple[Path, dict[str, Sound]]) -> None:
    headers = list(boxes(written[0].read_bytes(), "moov", "trak", "tkhd"))
    assert [header[3] & 1 for header in headers] == [1, 0, 0, 0, 0]  # the flag "track enabled"
    mixture = decode(written[0])  # what players choose
    assert lag(written[1]["mixture"], mixture) == 0


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("samples", [50_000, 40_961, 3_000])
def test_all_tracks_have_the_length_of_the_song_and_are_aligned(
    tmp_path: Path, rate: int, samples: int
) -> None:
    tracks = write(tmp_path / "a.stem.mp4", samples, rate)
    for number, (_, sound) in enumerate(tracks.items()):
        decoded = decode(tmp_path / "a.stem.mp4", stream=number)
        assert decoded.shape == sound.shape
        assert lag(sound, decoded) == 0


def test_tracks_have_equal_edit_lists(written: tuple[Path, dict[str, Sound]]) -> None:
    edits = list(boxes(written[0].read_bytes(), "moov", "trak", "edts", "elst"))
    assert len(edits) == 5
    assert len(set(edits)) == 1


@pytest.mark.parametrize(("subtype", "bits"), [("16", 16), ("24", 24)])
def test_alac_keeps_every_sample(tmp_path: Path, subtype: str, bits: int) -> None:
    tracks = write(tmp_path / "a.stem.mp4", 30_001, subtype=subtype)
    with av.open(str(tmp_path / "a.stem.mp4")) as file:
        assert {stream.codec_context.name for stream in file.streams.audio} == {"alac"}
    for number, sound in enumerate(tracks.values()):
        decoded = decode(tmp_path / "a.stem.mp4", stream=number)
        assert decoded.shape == sound.shape
        assert np.abs(decoded - sound).max() <= 2.0 ** (1 - bits)


def test_the_default_bit_rate_is_256_kbit_s(tmp_path: Path) -> None:
    samples = 10 * RATE_HZ
    with StemFile(tmp_path / "a.stem.mp4", sample_rate=RATE_HZ, samples=samples) as file:
        for name in STEM_FILE_TRACKS:
            file.track(name).write(noise(samples, 2))
    kbit_s = (tmp_path / "a.stem.mp4").stat().st_size * 8 / 1000 / 10 / 5
    assert kbit_s == pytest.approx(256, rel=0.05)


def test_has_tags_and_cover_but_no_chapters(tmp_path: Path) -> None:
    cover = picture(png())
    assert cover is not None
    tags = Tags(
        {"title": ("Song",), "artist": ("A", "B")}, (cover,), (Chapter(0, 500, "x"), Chapter(500, 900, "y"))
    )
    samples = 20_000
    with StemFile(tmp_path / "a.stem.mp4", sample_rate=RATE_HZ, samples=samples, tags=tags) as file:
        for name in STEM_FILE_TRACKS:
            file.track(name).write(noise(samples, 2))
        file.add_tags({"bpm": ("127.5",), "initial_key": ("Am",), "title": ("Other",)})
    found = probe(tmp_path / "a.stem.mp4").tags
    assert (found.text("title"), found.text("bpm"), found.text("initial_key")) == ("Song", "127.5", "Am")
    assert found.texts["artist"] == ("A", "B")
    assert [one.data for one in found.pictures] == [png()]
    assert found.chapters == ()


def test_evaluate_reads_it(written: tuple[Path, dict[str, Sound]]) -> None:
    song = load(written[0])
    assert (song.name, song.sample_rate, song.warnings) == ("song", RATE_HZ, ())
    assert set(song.stems) == {"drums", "bass", "other", "vocals"}
    for name, stem in song.stems.items():
        assert lag(written[1][name], stem) == 0


def test_leaves_nothing_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), StemFile(tmp_path / "a.stem.mp4", sample_rate=RATE_HZ, samples=10) as file:
        file.track("mixture").write(noise(10, 2))
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError):
        StemFile(tmp_path / "missing" / "a.stem.mp4", sample_rate=RATE_HZ, samples=10)
    with pytest.raises(SettingError, match="float"):
        StemFile(tmp_path / "a.stem.mp4", sample_rate=RATE_HZ, samples=10, subtype="float")
    with pytest.raises(SettingError, match="lossless"):
        StemFile(tmp_path / "a.stem.mp4", sample_rate=RATE_HZ, samples=10, subtype="16", bitrate=256_000)
