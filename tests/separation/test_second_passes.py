"""Second passes: a stem that was just separated is separated into parts by another model."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.roformer_files import write_files
from tests.separation.conftest import WriteSong, noise, read
from tests.separation.known_models import SEGMENT, loudness_model, spectral_model
from tests.separation.test_cascades import write_cascade

from unbraid import Separator
from unbraid.audio.encode import Encoder
from unbraid.audio.tags.model import Tags
from unbraid.errors import Cancelled, SettingError, UnbraidError
from unbraid.models import catalog, find_model
from unbraid.separation import Progress, Result
from unbraid.separation import separator as separators
from unbraid.separation.network import Network
from unbraid.separation.second_passes import second_pass, split_reporters

SAMPLES = 3 * SEGMENT + 11
PARTS = ("drums", "bass", "other", "vocals")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models: `two` (lead, backing), `lossy` (a tenth of the song is in no stem), `half` (vocals, and the rest as
    other), `loud` (parts beyond full scale), `same` (vocals only).
    """
    folder = tmp_path_factory.mktemp("models")
    spectral_model(folder / "two", (0.25, 0.75), ("lead", "backing"), normalise=False, name="two")
    loudness_model(folder / "lossy", (0.4, 0.3, 0.1, 0.1), normalise=False, name="lossy")
    write_cascade(folder / "half")
    spectral_model(folder / "loud", (30.0, -29.0), ("up", "down"), normalise=False, name="loud")
    spectral_model(folder / "same", (1.0,), ("vocals",), normalise=False, name="same")
    return folder


def write(path: Path, samples: np.ndarray, subtype: str = "16", tags: Tags | None = None) -> Path:
    with Encoder(path, sample_rate=44100, channels=len(samples), subtype=subtype, tags=tags) as file:
        file.write(samples)
    return path


def parts_of(result: Result, stem: str) -> dict[str, Path]:
    """Return the parts of a stem by their own names."""
    prefix = f"{stem}."
    return {name.removeprefix(prefix): path for name, path in result.files.items() if name.startswith(prefix)}


def sum_of(paths: Iterable[Path]) -> np.ndarray:
    return np.sum([read(path) for path in paths], axis=0)


@pytest.mark.parametrize(
    ("model", "channels", "options"),
    [
        ("lossy", 2, {}),
        ("two", 1, {"format": "flac"}),
        ("half", 2, {"subtype": "float"}),
        ("loud", 2, {"subtype": "float", "clip_mode": "rescale"}),
        ("lossy", 2, {"clip_mode": "clamp", "subtype": "24"}),
        ("two", 2, {"channels": 1, "sample_rate": 32000}),
    ],
)
def test_equals_two_runs_to_the_byte(
    separator: Separator, models: Path, tmp_path: Path, model: str, channels: int, options: dict[str, Any]
) -> None:
    song = write(tmp_path / "song.wav", noise(channels, SAMPLES, peak=0.9), tags=Tags({"title": ("Song",)}))
    stem = "no_vocals"
    chain = separator.separate_to_files(song, tmp_path / "chain", then={stem: models / model}, **options)
    first = separator.separate_to_files(song, tmp_path / "first", **options)
    second = Separator(models / model).separate_to_files(
        first.files[stem], tmp_path / "second", stems="all", **options
    )
    assert chain.files["vocals"].read_bytes() == first.files["vocals"].read_bytes()
    assert chain.files[stem].read_bytes() == first.files[stem].read_bytes()
    parts = parts_of(chain, stem)
    assert set(second.files) <= set(parts) <= {*second.files, "rest"}
    for name, path in second.files.items():
        assert parts[name].read_bytes() == path.read_bytes()
    assert chain.then[stem].gain == second.gain
    assert chain.then[stem].model == second.model


@pytest.mark.parametrize(
    ("model", "extra", "options", "error"),
    [
        ("two", [], {"subtype": "float"}, 1e-6),
        ("lossy", ["rest"], {"subtype": "float"}, 1e-6),
        ("half", [], {"subtype": "float"}, 1e-6),
        ("lossy", ["rest"], {}, 6 / 65536),  # each of six files is rounded by half a step
    ],
)
def test_parts_add_up_to_their_stem(
    separator: Separator,
    models: Path,
    tmp_path: Path,
    model: str,
    extra: list[str],
    options: dict[str, Any],
    error: float,
) -> None:
    song = write(tmp_path / "song.wav", noise(2, SAMPLES))
    result = separator.separate_to_files(
        song, tmp_path, stems="all", then={"drums": models / model, "other": models / model}, **options
    )
    for stem in ("drums", "other"):
        parts = parts_of(result, stem)
        assert [name for name in parts if name == "rest"] == extra
        assert [path.name for path in parts.values()] == [f"{stem}.{name}.wav" for name in parts]
        np.testing.assert_allclose(sum_of(parts.values()), read(result.files[stem]), atol=error)


@pytest.mark.parametrize("format", ["mp3", "m4a", "opus"])
def test_reads_the_stem_before_lossy_coding(
    separator: Separator, models: Path, tmp_path: Path, format: str
) -> None:
    song = write(tmp_path / "song.wav", noise(2, SAMPLES, peak=0.9))
    chain = separator.separate_to_files(
        song, tmp_path / "chain", format=format, then={"vocals": models / "two"}
    )
    first = separator.separate_to_files(song, tmp_path / "first", subtype="float", clip_mode="rescale")
    second = Separator(models / "two").separate_to_files(
        first.files["vocals"], tmp_path / "second", stems="all", format=format
    )
    for name, path in parts_of(chain, "vocals").items():
        # The container of M4A has the time in it.
        np.testing.assert_array_equal(read(path), read(second.files[name]))
    assert sorted(path.name for path in chain.files["vocals"].parent.iterdir() if path.suffix != ".json") == [
        *sorted(f"{name}.{format}" for name in ("no_vocals", "vocals", "vocals.backing", "vocals.lead"))
    ]


def test_parts_beyond_full_scale_have_one_gain_of_their_own(
    separator: Separator, models: Path, tmp_path: Path
) -> None:
    song = write(tmp_path / "song.wav", noise(2, SAMPLES, peak=0.9))
    result = separator.separate_to_files(song, tmp_path, then={"vocals": models / "loud"})
    gain = result.then["vocals"].gain
    assert result.gain == 1
    assert 0 < gain < 0.5
    stem = read(result.files["vocals"])
    np.testing.assert_allclose(sum_of(parts_of(result, "vocals").values()), gain * stem, atol=1e-4)


def test_arrays_have_parts_too(separator: Separator, models: Path) -> None:
    song = noise(2, SAMPLES)
    stems = separator.separate(
        song, stems="vocals", then={"vocals": models / "lossy", "no_vocals": models / "two"}
    )
    assert list(stems) == [
        "vocals",
        "no_vocals",
        *(f"vocals.{part}" for part in (*PARTS, "rest")),
        "no_vocals.lead",
        "no_vocals.backing",
    ]
    for stem in ("vocals", "no_vocals"):
        parts = [part for name, part in stems.items() if name.startswith(f"{stem}.")]
        np.testing.assert_allclose(np.sum(parts, axis=0), stems[stem], atol=1e-6)


def test_one_network_is_in_memory_at_a_time(
    models: Path, gains_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[Network]] = []
    most = []

    class Counted(Network):
        def __init__(self, model, length, load):  # type: ignore[no-untyped-def]
            alive.append(weakref.ref(self))
            most.append(sum(network() is not None for network in alive))
            super().__init__(model, length, load)

    monkeypatch.setattr(separators, "Network", Counted)
    songs = [write(tmp_path / f"{number}.wav", noise(2, SAMPLES, number)) for number in range(3)]
    separator = Separator(gains_folder, threads=1)
    then = {"vocals": models / "two", "no_vocals": models / "lossy"}
    results = [result for _, result in separator.separate_files(songs, tmp_path, then=then)]
    assert all(isinstance(result, Result) and len(result.files) == 9 for result in results)
    assert len(most) >= 6
    assert set(most) == {1}


def test_progress_counts_once_over_the_chain_by_expected_time(
    separator: Separator, models: Path, tmp_path: Path
) -> None:
    reports: list[Progress] = []
    separator.separate_to_files(
        write(tmp_path / "song.wav", noise(2, SAMPLES)),
        tmp_path,
        then={"vocals": models / "two"},
        progress=reports.append,
    )
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    stages = [report.stage for report in reports]
    second = len(stages) - stages[::-1].index("analysing")
    # Both models are unknown, so each has half of the time.
    assert fractions[second - 1] == pytest.approx(0.5, abs=0.02)


def test_a_pass_of_ones_own_network_has_the_share_of_its_family(
    separator: Separator, models: Path, tmp_path: Path
) -> None:
    network = find_model(write_files(tmp_path / "mine"))  # a Roformer, slower than `lite`
    one = second_pass("no_vocals", Separator(network.folder, sharing=separator)._pipeline)
    reports: list[float] = []
    first, _ = split_reporters(
        find_model("lite"), [one], True, lambda report: reports.append(report.fraction), None
    )
    first.report("writing", 1.0, 1.0)
    lite, own = catalog()["lite"].speed.one_stem, catalog()["melband_roformer_kim"].speed.all_stems
    assert reports == [pytest.approx(lite / (lite + own))]


@pytest.mark.parametrize("fraction", [0.6, 0.99])
def test_nothing_appears_after_a_cancellation(
    separator: Separator, models: Path, tmp_path: Path, fraction: float
) -> None:
    cancel = threading.Event()

    def progress(report: Progress) -> None:
        if report.fraction >= fraction:
            cancel.set()

    song = write(tmp_path / "song.wav", noise(2, SAMPLES))
    with pytest.raises(Cancelled):
        separator.separate_to_files(
            song, tmp_path / "out", then={"vocals": models / "two"}, progress=progress, cancel=cancel
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("stems", "then", "message"),
    [
        ("vocals", {"guitar": "two"}, "There is no stem 'guitar' in this model. Choose vocals, no_vocals."),
        ("vocals", {"drums": "two"}, "The stem drums isn't written. Choose the stems drums or all."),
        ("all", {"no_drums": "two"}, "The stem no_drums isn't written. Choose the stems drums."),
        (
            "vocals",
            {"vocals": "same"},
            "same has only the stem vocals itself. Choose a model with other stems.",
        ),
    ],
)
def test_explains_impossible_passes(
    separator: Separator, models: Path, write_song: WriteSong, stems: str, then: dict[str, str], message: str
) -> None:
    paths = {stem: models / name for stem, name in then.items()}
    with pytest.raises(SettingError) as error:
        separator.separate_to_files(write_song(noise(1, 100)), "out", stems=stems, then=paths)
    assert error.value.message == message


def test_the_folder_knows_its_parts(separator: Separator, models: Path, tmp_path: Path) -> None:
    song = write(tmp_path / "song.wav", noise(2, SAMPLES))
    for _ in range(2):
        result = separator.separate_to_files(song, tmp_path / "out", then={"vocals": models / "two"})
        assert result.warnings == ()
        assert result.files["vocals.lead"] == tmp_path / "out" / "song" / "vocals.lead.wav"
    record = (tmp_path / "out" / "song" / ".unbraid.json").read_text()
    assert "vocals.lead.wav" in record
    assert "vocals.rest.wav" not in record


def test_no_part_replaces_a_song(separator: Separator, models: Path, tmp_path: Path) -> None:
    song = write(tmp_path / "song.wav", noise(2, SAMPLES))
    separator.separate_to_files(song, tmp_path)
    write(tmp_path / "song" / "vocals.lead.wav", noise(2, 100))
    songs = [song, tmp_path / "song" / "vocals.lead.wav"]
    outcomes = dict(separator.separate_files(songs, tmp_path, then={"vocals": models / "two"}))
    assert isinstance(outcomes[song], UnbraidError)
