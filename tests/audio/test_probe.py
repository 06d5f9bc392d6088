"""The right audio stream of a file is chosen, and its depth recognised."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import Disposition
from tests.audio.sounds import Kind, as_stored, decode, noise, write

from unbraid.audio.formats import deepest_subtype
from unbraid.audio.probe import probe

NONE, DEFAULT = Disposition(0), Disposition.default


def write_streams(
    path: Path,
    *dispositions: Disposition,
    codec: str = "flac",
    kind: str = "s16",
    languages: tuple[str, ...] = (),
) -> Path:
    """Write one audio stream for each disposition. The first is silent; stream k is noise of seed k."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=44100) for _ in dispositions]
        for stream, disposition in zip(streams, dispositions, strict=True):
            stream.layout, stream.format, stream.disposition = "stereo", kind, disposition
        for stream, language in zip(streams, languages, strict=False):
            stream.metadata["language"] = language
        container.start_encoding()
        for number, stream in enumerate(streams):
            sound = as_stored(noise(9000, 2, number) * min(number, 1), kind)
            frame = av.AudioFrame.from_ndarray(sound, kind, "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("dispositions", "chosen"),
    [
        ((NONE, DEFAULT), 1),
        ((NONE, NONE, DEFAULT), 2),
        ((NONE, NONE), 0),
        ((DEFAULT, DEFAULT), 0),  # what Matroska means where it says nothing
        ((Disposition.original, Disposition.dub | DEFAULT), 1),
        ((Disposition.comment, NONE), 1),
        ((Disposition.comment | DEFAULT, NONE), 1),
        ((Disposition.visual_impaired, Disposition.hearing_impaired, NONE), 2),
        ((Disposition.comment, Disposition.visual_impaired | DEFAULT), 1),
    ],
)
def test_chooses_the_default_stream_but_no_commentary(
    tmp_path: Path, dispositions: tuple[Disposition, ...], chosen: int
) -> None:
    song = write_streams(tmp_path / "song.mkv", *dispositions)
    assert probe(song).stream == chosen
    assert (decode(song) == decode(song, stream=chosen)).all()
    assert probe(song, 0).stream == 0


def test_names_the_language_of_the_stream(tmp_path: Path) -> None:
    song = write_streams(tmp_path / "song.mkv", NONE, DEFAULT, languages=("und", "eng"))
    assert (probe(song).language, probe(song, 0).language) == ("eng", None)


@pytest.mark.parametrize("ending", ["mp4", "mov"])
def test_mp4_has_a_default_stream_too(tmp_path: Path, ending: str) -> None:
    song = write_streams(tmp_path / f"song.{ending}", NONE, DEFAULT, codec="aac", kind="fltp")
    assert probe(song).stream == 1


@pytest.mark.parametrize("stems", [NONE, DEFAULT])
def test_mixture_is_chosen_in_a_stem_file(tmp_path: Path, stems: Disposition) -> None:
    song = write_streams(tmp_path / "song.stem.mp4", DEFAULT, *[stems] * 4, codec="aac", kind="fltp")
    assert (probe(song).stream, probe(song).streams) == (0, 5)


@pytest.mark.parametrize(
    ("kind", "depth"),
    [
        (Kind("wav", "wav", "pcm_u8", "u8"), "16"),
        (Kind("wav", "wav", "pcm_s16le", "s16"), "16"),
        (Kind("wav", "wav", "pcm_s24le", "s32"), "24"),
        (Kind("wav", "wav", "pcm_s32le", "s32"), "float"),
        (Kind("wav", "wav", "pcm_f32le", "flt"), "float"),
        (Kind("wav", "wav", "pcm_f64le", "dbl"), "float"),
        (Kind("wav", "wav", "pcm_mulaw", "s16"), "16"),
        (Kind("aiff", "aiff", "pcm_s16be", "s16"), "16"),
        (Kind("aiff", "aiff", "pcm_s24be", "s32"), "24"),
        (Kind("aiff", "aiff", "pcm_s32be", "s32"), "float"),
        (Kind("flac", "flac", "flac", "s16"), "16"),
        (Kind("flac", "flac", "flac", "s32"), "24"),
        (Kind("mkv", "matroska", "flac", "s32"), "24"),
        (Kind("m4a", "ipod", "alac", "s16p"), "16"),
        (Kind("m4a", "ipod", "alac", "s32p"), "24"),
        (Kind("wv", "wv", "wavpack", "s32p"), "24"),
        (Kind("wv", "wv", "wavpack", "fltp"), "float"),
        (Kind("tta", "tta", "tta", "s32"), "24"),
        (Kind("mov", "mov", "pcm_f32le", "flt"), "float"),
        (Kind("mp3", "mp3", "libmp3lame", "fltp"), "16"),  # decoders compute in float
        (Kind("m4a", "ipod", "aac", "fltp"), "16"),
        (Kind("opus", "opus", "libopus", "flt", (48000,)), "16"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.codec}-{value.format}",
)
def test_recognises_the_depth_of_the_song(tmp_path: Path, kind: Kind, depth: str) -> None:
    song = write(tmp_path / f"song.{kind.ending}", noise(9000, 2), kind.rates[0], kind)
    assert probe(song).depth == depth


def test_formats_store_the_depth_as_well_as_they_can() -> None:
    depths = ("16", "24", "float")
    assert [deepest_subtype("wav", depth) for depth in depths] == ["16", "24", "float"]
    assert [deepest_subtype("flac", depth) for depth in depths] == ["16", "24", "24"]
    assert {deepest_subtype(name, depth) for name in ("mp3", "m4a", "opus") for depth in depths} == {"16"}
