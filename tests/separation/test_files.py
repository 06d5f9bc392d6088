"""Stems as files: atomic output, clip modes, file names, options."""

from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import KINDS, Kind, bursts, write
from tests.separation.conftest import WriteSong, level_db, noise, read
from tests.separation.known_models import SOURCES, spectral_model

from unbraid import Separator
from unbraid.audio.probe import probe
from unbraid.errors import InputError, OutputError, SettingError
from unbraid.separation.stems import CLAMP, HEADROOM


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Separator:
    """A model with the stems `up`, 3 times the song, and `down`, -2 times. Both clip, but not their sum."""
    folder = tmp_path_factory.mktemp("models") / "loud"
    return Separator(spectral_model(folder, (3.0, -2.0), sources=["up", "down"], normalise=False), threads=1)


def test_writes_two_stems_into_a_folder_named_after_the_song(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    song = noise(2, 60000)
    result = separator.separate_to_files(
        write_song(song, 48000, "My song.live.wav"), tmp_path / "out", subtype="24"
    )
    folder = tmp_path / "out" / "My song.live"
    assert result.files == {"vocals": folder / "vocals.wav", "no_vocals": folder / "no_vocals.wav"}
    assert result.duration_s == 60000 / 48000
    assert (result.model, result.gain, result.warnings, result.sample_rate) == ("known", 1.0, (), 48000)
    vocals, rest = read(folder / "vocals.wav"), read(folder / "no_vocals.wav")
    assert vocals.shape == rest.shape == song.shape
    assert level_db(vocals + rest - song, song) < -120  # two roundings to 24 bits
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["My song.live"]


def test_16_bit_stems_add_up_to_the_song(separator: Separator, write_song: WriteSong, tmp_path: Path) -> None:
    song = noise(2, 60000)
    files = separator.separate_to_files(write_song(song), tmp_path).files
    assert level_db(read(files["vocals"]) + read(files["no_vocals"]) - song, song) < -60


@pytest.mark.parametrize("clip_mode", ["rescale", "clamp", "none"])
def test_writes_all_stems_in_every_clip_mode(
    separator: Separator, write_song: WriteSong, tmp_path: Path, clip_mode: str
) -> None:
    song = noise(1, 60000)
    result = separator.separate_to_files(
        write_song(song), tmp_path, stems="all", format="flac", clip_mode=clip_mode, name="here"
    )
    assert tuple(result.files) == SOURCES
    for path in result.files.values():
        assert path.parent == tmp_path / "here"
        assert read(path).shape == song.shape
        assert probe(path).channels == 1


def test_stems_of_a_float_song_keep_its_level(loud: Separator, write_song: WriteSong, tmp_path: Path) -> None:
    song = noise(2, 20000, peak=4.0)
    result = loud.separate_to_files(write_song(song), tmp_path, stems="all")
    assert result.gain == 1
    assert level_db(read(result.files["up"]) - 3 * song, song) < -100
    for options in ({"format": "flac"}, {"subtype": "24"}, {"clip_mode": "rescale"}):
        result = loud.separate_to_files(write_song(song), tmp_path, stems="all", **options)
        assert np.abs(read(result.files["up"])).max() == pytest.approx(1 / HEADROOM, rel=1e-4)


def test_rescale_lowers_all_stems_equally(loud: Separator, write_song: WriteSong, tmp_path: Path) -> None:
    song = noise(2, 60000, peak=0.9)
    result = loud.separate_to_files(write_song(song), tmp_path, stems="all", subtype="float")
    up, down = read(result.files["up"]), read(result.files["down"])
    assert result.gain == pytest.approx(1 / (HEADROOM * 2.7), rel=1e-4)
    assert np.abs(up).max() == pytest.approx(1 / HEADROOM, rel=1e-4)
    assert level_db(up + down - result.gain * song, song) < -110


def test_rescale_changes_nothing_below_full_scale(
    loud: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    song = noise(2, 20000, peak=0.3)
    result = loud.separate_to_files(write_song(song), tmp_path, stems="all", subtype="float")
    assert result.gain == 1
    assert level_db(read(result.files["up"]) - 3 * song, song) < -100


def test_clamp_clips_only_the_peaks(loud: Separator, write_song: WriteSong, tmp_path: Path) -> None:
    song = noise(2, 20000, peak=0.9)
    files = loud.separate_to_files(
        write_song(song), tmp_path, stems="all", subtype="float", clip_mode="clamp"
    ).files
    assert np.allclose(read(files["up"]), np.clip(3 * song, -CLAMP, CLAMP), atol=1e-5)


def test_clip_mode_none_keeps_peaks_that_the_format_can_store(
    loud: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    song = write_song(noise(2, 20000, peak=0.9))
    as_float = loud.separate_to_files(song, tmp_path, stems="all", subtype="float", clip_mode="none").files
    assert np.abs(read(as_float["up"])).max() == pytest.approx(2.7, rel=1e-4)
    as_integers = loud.separate_to_files(song, tmp_path, stems="all", subtype="16", clip_mode="none").files
    assert np.abs(read(as_integers["up"])).max() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(("complement", "names"), [("sum", ["no_vocals", "vocals"]), ("none", ["vocals"])])
def test_complement_sum_adds_the_other_stems_and_none_omits_it(
    separator: Separator, write_song: WriteSong, tmp_path: Path, complement: str, names: list[str]
) -> None:
    song = write_song(noise(2, 60000) + np.float32(0.1))
    files = separator.separate_to_files(song, tmp_path, complement=complement, subtype="float").files
    assert sorted(files) == sorted(path.stem for path in (tmp_path / "song").glob("*.wav")) == names
    stems = separator.separate(song)
    assert np.allclose(read(files["vocals"]), stems["vocals"], atol=1e-6)
    if complement == "sum":
        others = stems["drums"] + stems["bass"] + stems["other"]
        assert np.allclose(read(files["no_vocals"]), others, atol=1e-6)


def test_stems_of_a_song_that_starts_in_mono_and_continues_in_stereo_are_stereo(
    separator: Separator, tmp_path: Path
) -> None:
    opus = Kind("opus", "ogg", "libopus", "flt")
    parts = [
        write(tmp_path / "part.opus", bursts(48000, channels, 48000), 48000, opus).read_bytes()
        for channels in (1, 2)
    ]
    song = tmp_path / "song.opus"
    song.write_bytes(b"".join(parts))
    result = separator.separate_to_files(song, tmp_path, subtype="float")
    vocals = read(result.files["vocals"])
    assert vocals.shape == (2, 2 * 48000)
    assert not np.allclose(*vocals[:, 48000:], atol=1e-3)
    assert result.warnings == ()


@pytest.mark.parametrize("complement", ["rest", "sum"])
@pytest.mark.parametrize("rate", [44100, 48000, 16000])
@pytest.mark.parametrize(("channels", "stem_channels"), [(1, 2), (2, 1), (2, 2)])
def test_stems_have_the_chosen_rate_and_channels(
    separator: Separator,
    write_song: WriteSong,
    tmp_path: Path,
    complement: str,
    rate: int,
    channels: int,
    stem_channels: int,
) -> None:
    time_s = np.arange(48000) / 48000
    tones = np.stack([np.sin(2 * np.pi * hertz * time_s) * np.hanning(48000) for hertz in (440, 554)])
    song = write_song(0.5 * tones[:channels], 48000)
    result = separator.separate_to_files(
        song, tmp_path, sample_rate=rate, channels=stem_channels, complement=complement, subtype="float"
    )
    assert (result.sample_rate, result.duration_s) == (rate, 1.0)
    time_s = np.arange(rate) / rate
    tones = np.stack([np.sin(2 * np.pi * hertz * time_s) * np.hanning(rate) for hertz in (440, 554)])
    mixed = tones[:channels] if stem_channels == 2 else tones[:channels].mean(axis=0, keepdims=True)
    expected = 0.5 * np.broadcast_to(mixed, (stem_channels, rate))
    vocals, rest = read(result.files["vocals"]), read(result.files["no_vocals"])
    assert vocals.shape == rest.shape == expected.shape
    assert level_db(vocals - np.float32(np.float16(0.1)) * expected, expected) < -60
    assert level_db(vocals + rest - expected, expected) < -60


def test_separating_again_replaces_only_the_stems(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    song = write_song(noise(1, 10000))
    first = separator.separate_to_files(song, tmp_path)
    note = first.files["vocals"].with_name("note.txt")
    note.write_text("mine", encoding="utf-8")
    first.files["vocals"].write_bytes(b"old")
    second = separator.separate_to_files(song, tmp_path)
    assert second.files == first.files
    assert read(second.files["vocals"]).shape == (1, 10000)
    assert note.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"stems": "guitar"}, SettingError),
        ({"clip_mode": "loudly"}, SettingError),
        ({"format": "tape"}, SettingError),
        ({"format": "../../wav"}, SettingError),
        ({"audio_stream": 3}, SettingError),
        ({"complement": "half"}, SettingError),
        ({"sample_rate": 0}, SettingError),
        ({"sample_rate": float("nan")}, SettingError),
        ({"sample_rate": 44100.5}, SettingError),
        ({"bitrate": 0, "format": "mp3"}, SettingError),
        ({"bitrate": 192000.5, "format": "mp3"}, SettingError),
        ({"bitrate": float("nan"), "format": "mp3"}, SettingError),
        ({"audio_stream": 0.5}, SettingError),
        ({"format": None}, SettingError),
        ({"stems": None}, SettingError),
        *(({"name": name}, SettingError) for name in ("../evil", "", ".", "..", "/evil", "a/b", "a\0b", 5)),
        ({"channels": 3}, SettingError),
    ],
)
def test_rejects_invalid_options_and_leaves_no_files(
    separator: Separator,
    write_song: WriteSong,
    tmp_path: Path,
    options: dict[str, object],
    error: type[Exception],
) -> None:
    song = write_song(noise(1, 1000))
    with pytest.raises(error):
        separator.separate_to_files(song, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_an_unreadable_song_leaves_no_files(separator: Separator, tmp_path: Path) -> None:
    text = tmp_path / "song.mp3"
    text.write_text("no music", encoding="utf-8")
    for path in (text, tmp_path / "missing.wav", tmp_path):
        with pytest.raises(InputError):
            separator.separate_to_files(path, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["song.mp3"]


def test_a_file_in_place_of_a_folder_is_an_output_error(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    song = write_song(noise(1, 1000))
    file = tmp_path / "way"
    file.write_bytes(b"")
    for out_dir, name in ((file, "song"), (file / "deeper", "song"), (tmp_path, "way")):
        with pytest.raises(OutputError):
            separator.separate_to_files(song, out_dir, name=name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.wav", "way"]


def test_a_full_disk_is_an_output_error(separator: Separator, write_song: WriteSong, tmp_path: Path) -> None:
    """A limit on the file size simulates a full disk: both make a write fail half-way."""
    resource = pytest.importorskip("resource")
    song = write_song(noise(2, 400000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))  # 1 MiB; the temporary file needs 6.4 MB
    try:
        with pytest.raises(OutputError, match=r"too large for the disk\. Choose another output folder"):
            separator.separate_to_files(song, tmp_path / "out")
        with pytest.raises(OutputError):
            separator.separate_to_files(song, tmp_path / "out", clip_mode="none")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_writes_long_and_non_ascii_names(separator: Separator, write_song: WriteSong, tmp_path: Path) -> None:
    song = write_song(noise(1, 1000), name="ж" * 125 + ".wav")
    files = separator.separate_to_files(song, tmp_path).files
    assert files["vocals"] == tmp_path / ("ж" * 125) / "vocals.wav"
    assert files["vocals"].is_file()


def test_writes_the_video_without_the_vocals_beside_the_stems(separator: Separator, tmp_path: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == "mp4-aac")
    song = write(tmp_path / "song.mp4", bursts(44100, 2, 44100), 44100, kind)
    result = separator.separate_to_files(song, tmp_path / "out", video=True)
    assert result.files["video"] == tmp_path / "out" / "song" / "no_vocals.mp4"
    assert probe(result.files["video"]).codec == "aac"


def test_a_song_without_video_fails_before_anything_is_written(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    with pytest.raises(InputError):
        separator.separate_to_files(write_song(noise(2, 1000)), tmp_path / "out", video=True)
    assert not (tmp_path / "out").exists()
