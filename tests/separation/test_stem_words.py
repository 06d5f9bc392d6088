"""Which stems come out: lists, complements, sums, the song and its rest; only the needed networks run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.separation.conftest import WriteSong, level_db, noise, read
from tests.separation.known_models import SEGMENT, SOURCES, loudness_model, spectral_model
from tests.separation.test_bags import ONE_EACH, bag

from unbraid import Separator
from unbraid.audio.stem_words import parse_stems
from unbraid.errors import SettingError

__all__ = ["bag"]

SONG = noise(2, 3 * SEGMENT + 7)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Separator:
    """A separator whose four stems leave over a part of the song."""
    folder = spectral_model(tmp_path_factory.mktemp("models"), (0.4, 0.3, 0.15, 0.05), normalise=False)
    return Separator(folder, threads=1)


@pytest.mark.parametrize(
    ("stems", "names"),
    [
        ("vocals", ("vocals", "no_vocals")),
        ("vocals,", ("vocals",)),
        (["vocals"], ("vocals",)),
        ("vocals, drums", ("vocals", "drums")),
        (("drums", "no_vocals", "drums"), ("drums", "no_vocals")),
        ("no_vocals", ("no_vocals",)),
        ("drums+bass", ("drums+bass",)),
        ("all,mix", (*SOURCES, "mix")),
        ("mix", ("mix",)),
        ("vocals,rest", ("vocals", "rest")),
        ("vocals,bass + drums", ("vocals", "bass+drums")),
        ("bass" + "+drums" * 60, ("bass+drums",)),
    ],
)
def test_writes_exactly_the_stems_of_a_list(
    uneven: Separator, stems: str | list[str], names: tuple[str, ...]
) -> None:
    assert tuple(uneven.separate(SONG, stems=stems)) == names


def test_contents_are_sums_and_differences_of_the_song_and_its_stems(uneven: Separator) -> None:
    stems = uneven.separate(SONG)
    chosen = uneven.separate(SONG, stems="no_vocals,drums+bass,mix")
    assert np.array_equal(chosen["mix"], SONG)
    assert np.array_equal(chosen["no_vocals"], SONG - stems["vocals"])
    assert np.array_equal(chosen["drums+bass"], stems["drums"] + stems["bass"])


@pytest.mark.parametrize(
    "stems",
    [
        "vocals",
        "vocals,no_vocals",
        "vocals,drums+bass+other",
        "bass+drums,vocals+other",
        "drums+bass+other+vocals",
        "drums,vocals,bass+other",
        "all,rest",
        "vocals,drums+bass,rest",
    ],
)
@pytest.mark.parametrize("rate", [44100, 48000])
def test_stems_that_cover_the_song_add_up_to_it(uneven: Separator, stems: str, rate: int) -> None:
    parts = uneven.separate(SONG, rate, stems=stems)
    assert level_db(sum(parts.values()) - SONG, SONG) < -120


def test_plain_stems_of_a_list_are_those_of_all(uneven: Separator) -> None:
    every, listed = uneven.separate(SONG), uneven.separate(SONG, stems="vocals,other,bass,drums")
    assert all(np.array_equal(listed[name], every[name]) for name in SOURCES)


@pytest.mark.parametrize(
    ("stems", "networks"),
    [
        ("vocals,drums", ["drums", "vocals"]),
        ("no_vocals", ["vocals"]),
        ("drums+bass", ["drums", "bass"]),
        ("vocals,drums+bass+other", ["vocals"]),
        ("mix,bass,", ["bass"]),
        ("vocals,drums,rest", ["drums", "vocals"]),
        ("mix", []),
    ],
)
def test_only_the_needed_networks_of_a_bag_run(
    bag: Path, loaded: list[str], stems: str, networks: list[str]
) -> None:
    Separator(bag, threads=1).separate(SONG, stems=stems)
    assert sorted(loaded) == sorted(networks)
    assert set(networks) <= set(ONE_EACH)


def test_only_the_needed_models_of_an_ensemble_run(tmp_path: Path, loaded: list[str]) -> None:
    for name, sources in (("voice", ("vocals", "no_vocals")), ("four", SOURCES)):
        gains = (0.5,) * len(sources)
        spectral_model(tmp_path / name, gains, sources, name=name, normalise=False)
    separator = Separator(f"{tmp_path / 'voice'}+{tmp_path / 'four'}", threads=1)
    separator.separate(SONG, stems="drums+bass")
    assert loaded == ["four"]
    separator.separate(SONG, stems="no_vocals")
    assert sorted(set(loaded)) == ["four", "voice"]


def test_files_have_the_samples_of_the_arrays(
    uneven: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    song, chosen = write_song(SONG), "no_vocals,drums+bass,mix"
    result = uneven.separate_to_files(song, tmp_path / "out", stems=chosen)
    stems = uneven.separate(SONG, stems=chosen)
    assert list(result.files) == ["no_vocals", "drums+bass", "mix"]
    assert result.files["drums+bass"].name == "drums+bass.wav"
    for name, path in result.files.items():
        assert np.array_equal(read(path), stems[name])


def test_the_song_is_decoded_and_encoded_like_the_stems(
    uneven: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    song = write_song(SONG, 48000)
    options = {"sample_rate": 44100, "channels": 1, "format": "flac"}
    files = uneven.separate_to_files(song, tmp_path, stems="all,rest,mix", **options).files  # type: ignore[arg-type]
    stems = {name: read(path) for name, path in files.items()}
    mix = stems.pop("mix")
    assert mix.shape == (1, round(SONG.shape[1] * 44100 / 48000))
    assert np.abs(sum(stems.values()) - mix).max() < 2**-20


def test_two_estimates_of_a_model_of_two_stems_add_up_to_the_song(tmp_path: Path) -> None:
    spectral_model(tmp_path, (0.3, 0.4), ("vocals", "no_vocals"), normalise=False)
    separator = Separator(tmp_path, threads=1)
    one = separator.separate(SONG, stems="no_vocals")["no_vocals"]
    assert np.array_equal(one, separator.separate(SONG, stems="vocals")["no_vocals"])


@pytest.mark.parametrize(
    ("stems", "message"),
    [
        (
            "guitar",
            r"no stem 'guitar' in this model\. Choose all, drums, bass, other, vocals, no_vocals and the like",
        ),
        ("vocals,guitar", "no stem 'guitar'"),
        ("drums+guitar", "no stem 'guitar'"),
        ("no_guitar", "no stem 'no_guitar'"),
        ("vocals,,drums", "A name is missing"),
        ("", "A name is missing"),
        ("drums+", "A name is missing in the sum drums+"),
        ("no_vocals+drums", "no_vocals can't be part of the sum"),
        ("mix+drums", "mix can't be part of the sum"),
        ("no_vocals,rest", "rest is the song without the other stems"),
        (["vocals", 1], "a list of texts"),
        ([], "a list of texts"),
    ],
)
def test_an_error_says_what_there_is(uneven: Separator, stems: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        uneven.separate(SONG, stems=stems)


def test_a_stem_of_the_model_comes_before_a_word() -> None:
    contents = parse_stems("mix,rest", ("mix", "rest", "vocals"))
    assert [(one.sources, one.of_song) for one in contents] == [(("mix",), False), (("rest",), False)]


def test_the_loudness_of_a_segment_is_that_of_the_whole_song_for_every_choice(tmp_path: Path) -> None:
    separator = Separator(loudness_model(tmp_path), threads=1)
    stems = separator.separate(SONG)
    for name in SOURCES:
        assert np.array_equal(separator.separate(SONG, stems=[name])[name], stems[name])
