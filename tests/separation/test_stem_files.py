"""`format="stem"`: one stem file for DJ programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.analysis.sounds import RATE_HZ, chords, clicks
from tests.audio.sounds import decode
from tests.separation.conftest import WriteSong, noise
from tests.separation.known_models import SOURCES, spectral_model

from unbraid import Separator
from unbraid.audio.probe import probe
from unbraid.audio.stem_names import STEM_FILE_TRACKS
from unbraid.errors import SettingError


def test_writes_the_song_and_its_stems_aligned(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    song = noise(2, 60_000)
    result = separator.separate_to_files(write_song(song), tmp_path, format="stem", subtype="24")
    assert result.files == {"stem": tmp_path / "song" / "song.stem.mp4"}
    tracks = {
        name: decode(result.files["stem"], stream=number) for number, name in enumerate(STEM_FILE_TRACKS)
    }
    np.testing.assert_allclose(tracks["mixture"], song, atol=1e-6)
    stems = separator.separate(song, 44_100)
    assert set(stems) == set(SOURCES)
    for name, stem in stems.items():
        np.testing.assert_allclose(tracks[name], stem, atol=1e-6)


def test_the_order_of_the_models_stems_does_not_matter(write_song: WriteSong, tmp_path: Path) -> None:
    folder = spectral_model(tmp_path / "model", (0.1, 0.2, 0.3, 0.4), ["vocals", "other", "bass", "drums"])
    song = noise(2, 60_000)
    file = Separator(folder, threads=1).separate_to_files(
        write_song(song), tmp_path, format="stem", subtype="16"
    )
    level = np.abs(song).sum()
    shares = [np.abs(decode(file.files["stem"], stream=number)).sum() / level for number in range(5)]
    assert shares == pytest.approx([1, 0.4, 0.3, 0.2, 0.1], abs=0.01)


def test_mono_songs_of_any_rate_become_stereo_at_a_rate_of_djs(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    for rate, expected in ((RATE_HZ, 44_100), (48_000, 48_000), (96_000, 48_000)):
        result = separator.separate_to_files(
            write_song(noise(1, rate), rate, f"{rate}.wav"), tmp_path, format="stem"
        )
        info = probe(result.files["stem"])
        assert (info.streams, info.channels, info.sample_rate) == (5, 2, expected)
        assert result.sample_rate == expected
        assert decode(result.files["stem"], stream=4).shape == (2, expected)


def test_has_tempo_and_key(separator: Separator, write_song: WriteSong, tmp_path: Path) -> None:
    sound = chords(2 * [(45, 57, 60, 64), (38, 57, 62, 65), (40, 56, 59, 64), (45, 57, 60, 64)])
    song = write_song(sound + clicks(120, 8), RATE_HZ)
    result = separator.separate_to_files(song, tmp_path, format="stem")
    tags = probe(result.files["stem"]).tags
    assert (result.bpm, result.key) == (pytest.approx(120, abs=0.5), "A minor")
    assert (tags.text("initial_key"), float(tags.text("bpm") or 0)) == ("Am", result.bpm)


def test_a_song_beyond_full_scale_is_lowered_with_its_stems(write_song: WriteSong, tmp_path: Path) -> None:
    folder = spectral_model(tmp_path / "model", (3.0, 0.2, 0.2, 0.2))
    song = noise(2, 60_000, peak=0.8)
    result = Separator(folder, threads=1).separate_to_files(
        write_song(song), tmp_path, format="stem", subtype="24"
    )
    assert result.gain < 0.5
    np.testing.assert_allclose(
        decode(result.files["stem"], stream=0), np.float32(result.gain) * song, atol=1e-5
    )


def test_a_second_run_replaces_the_file(separator: Separator, write_song: WriteSong, tmp_path: Path) -> None:
    song = write_song(noise(2, 20_000))
    first = separator.separate_to_files(song, tmp_path / "out", format="stem")
    assert separator.separate_to_files(song, tmp_path / "out", format="stem").files == first.files
    assert len([path for path in (tmp_path / "out" / "song").iterdir() if path.suffix == ".mp4"]) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stems": "drums"}, "all stems"),
        ({"channels": 1}, "stereo"),
        ({"subtype": "float"}, "no float samples"),
        ({"subtype": "16", "bitrate": 256_000}, "lossless"),
        ({"bitrate": 1_000_000}, "64 to 512 kbit/s"),
        ({"then": {"vocals": "lite"}}, "no parts"),
        ({"video": True}, "no pictures"),
    ],
)
def test_refuses_options_that_do_not_go_with_it(
    separator: Separator, write_song: WriteSong, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    song = write_song(noise(2, 1_000))
    with pytest.raises(SettingError, match=message):
        separator.separate_to_files(song, tmp_path / "out", format="stem", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_model_without_the_four_stems_is_an_error(write_song: WriteSong, tmp_path: Path) -> None:
    two = Separator(spectral_model(tmp_path / "two", (0.5, 0.5), ["vocals", "no_vocals"]), threads=1)
    with pytest.raises(
        SettingError, match=r"needs a model of drums, bass, other and vocals; .* has vocals, no_vocals"
    ):
        two.separate_to_files(write_song(noise(2, 1_000)), tmp_path / "out", format="stem")
