"""An ensemble combines the stems of models that run one after another."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from tests.models.mdx_files import write_small
from tests.separation.conftest import WriteSong, noise, read
from tests.separation.known_models import SEGMENT, SOURCES, loudness_model, spectral_model
from tests.separation.test_cascades import write_cascade
from tests.separation.test_memory import peak_bytes
from tests.separation.test_spectral_combining import combined

from unbraid import Separator
from unbraid.audio.encode import Encoder
from unbraid.errors import Cancelled, SettingError
from unbraid.models import catalog
from unbraid.separation import Progress
from unbraid.separation.sums import Sums

WAYS = ("median", "max", "min")
SONG = noise(2, 5 * SEGMENT + 11)

Stems = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models that differ in stems, segments, transforms, overlap, normalisation, and in what they read."""
    folder = tmp_path_factory.mktemp("models")
    mask = np.round(np.linspace(900, 100, 257)) / 1024  # exact in float16
    return {
        "four": loudness_model(folder / "four", normalise=False, overlap=0.1),
        "five": spectral_model(folder / "five", (0.1, 0.2, 0.3, 0.4), segment=9000, normalise="scale"),
        "two": spectral_model(folder / "two", [mask, 1 - mask], ("vocals", "no_vocals"), normalise="scale"),
        "roformer": spectral_model(folder / "roformer", (0.75, 0.25), ("vocals", "other"), normalise=False),
        "mdx": write_small(folder, "mdx"),
        "inst": write_small(folder, "inst", stem="Instrumental"),
        "cascade": write_cascade(folder / "cascade"),
    }


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def ensemble(models: Mapping[str, Path], names: str, **options: object) -> Separator:
    """Load the ensemble of models with these names."""
    return Separator("+".join(str(models[name]) for name in names.split("+")), threads=1, **options)  # type: ignore[arg-type]


def alone(models: Mapping[str, Path], name: str, song: np.ndarray = SONG, **options: object) -> Stems:
    return Separator(models[name], threads=1, **options).separate(song)  # type: ignore[arg-type]


@pytest.mark.parametrize("shifts", [0, 2])
def test_mean_equals_the_mean_of_two_runs(models: dict[str, Path], shifts: int) -> None:
    first, second = (alone(models, name, shifts=shifts) for name in ("four", "five"))
    stems = ensemble(models, "four+five", shifts=shifts).separate(SONG)
    assert tuple(stems) == SOURCES
    for name in SOURCES:
        np.testing.assert_allclose(stems[name], (first[name] + second[name]) / 2, atol=1e-6)


@pytest.mark.parametrize("names", ["two+roformer", "mdx+roformer", "mdx+inst", "inst+two+mdx"])
def test_mean_of_models_for_vocals_adds_up_to_the_song(models: dict[str, Path], names: str) -> None:
    stems = ensemble(models, names).separate(SONG)
    runs = [alone(models, name) for name in names.split("+")]
    assert sorted(stems) == ["no_vocals", "vocals"]
    np.testing.assert_allclose(stems["vocals"], sum(run["vocals"] for run in runs) / len(runs), atol=1e-6)
    rests = [run["other"] if "other" in run else run["no_vocals"] for run in runs]
    np.testing.assert_allclose(stems["no_vocals"], sum(rests) / len(runs), atol=1e-6)
    np.testing.assert_allclose(stems["vocals"] + stems["no_vocals"], SONG, atol=1e-6)


@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (96000, 1), (22050, 1)])
def test_stems_of_any_rate_add_up_to_the_song(
    models: dict[str, Path], write_song: WriteSong, tmp_path: Path, rate: int, channels: int
) -> None:
    samples = noise(channels, 4 * SEGMENT)
    files = (
        ensemble(models, "mdx+inst+cascade")
        .separate_to_files(write_song(samples, rate), tmp_path / "out", stems="vocals", subtype="float")
        .files
    )
    np.testing.assert_allclose(sum(read(path) for path in files.values()), samples, atol=1e-5)
    stems = ensemble(models, "mdx+inst").separate(samples, rate)
    np.testing.assert_allclose(sum(stems.values()), samples, atol=1e-5)
    runs = [alone_at(models, name, samples, rate) for name in ("mdx", "inst")]
    np.testing.assert_allclose(stems["vocals"], (runs[0]["vocals"] + runs[1]["vocals"]) / 2, atol=1e-5)


def alone_at(models: Mapping[str, Path], name: str, song: np.ndarray, rate: int) -> Stems:
    return Separator(models[name], threads=1).separate(song, rate)


def test_weights_are_by_model_and_stem(models: dict[str, Path]) -> None:
    runs = [alone(models, name) for name in ("four", "five", "two")]
    stems = ensemble(models, "four+five+two", weights={"all": [3, 1, 0], "vocals": [1, 1, 2]}).separate(SONG)
    np.testing.assert_allclose(stems["bass"], 0.75 * runs[0]["bass"] + 0.25 * runs[1]["bass"], atol=1e-6)
    expected = 0.25 * runs[0]["vocals"] + 0.25 * runs[1]["vocals"] + 0.5 * runs[2]["vocals"]
    np.testing.assert_allclose(stems["vocals"], expected, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_spectra_of_three_models_are_combined(models: dict[str, Path], way: str) -> None:
    runs = [alone(models, name) for name in ("two", "roformer", "inst")]
    stems = ensemble(models, "two+roformer+inst", combine=way).separate(SONG)
    for stem in ("vocals", "no_vocals"):
        found = [run["other" if stem not in run else stem] for run in runs]
        expected = combined(way, np.stack(found), [1.0] * 3, 30_000)  # type: ignore[arg-type]
        np.testing.assert_allclose(stems[stem], expected, atol=1e-6)
    single = ensemble(models, "two+roformer+inst", combine=way).separate(SONG, stems="vocals")
    np.testing.assert_array_equal(single["vocals"], stems["vocals"])
    np.testing.assert_allclose(single["vocals"] + single["no_vocals"], SONG, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_a_stem_of_one_model_stays_as_it_is(models: dict[str, Path], way: str) -> None:
    stems = ensemble(models, "five+two", combine=way).separate(SONG)
    assert tuple(stems) == SOURCES
    np.testing.assert_allclose(stems["other"], alone(models, "five")["other"], atol=1e-6)
    runs = np.stack([alone(models, name)["vocals"] for name in ("five", "two")])
    np.testing.assert_allclose(stems["vocals"], combined(way, runs, [1.0, 1.0], 9999), atol=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize("names", ["four+cascade", "cascade+four"])
def test_a_network_reads_the_rest_of_its_own_bag(models: dict[str, Path], names: str) -> None:
    runs = [alone(models, name) for name in ("four", "cascade")]
    stems = ensemble(models, names).separate(SONG)
    for name in SOURCES:
        np.testing.assert_allclose(stems[name], (runs[0][name] + runs[1][name]) / 2, atol=1e-6)


def test_an_ensemble_may_contain_an_ensemble(models: dict[str, Path], tmp_path: Path) -> None:
    described = {"name": "pair", "version": "1", "models": [{"folder": "a"}, {"folder": "b"}]}
    for name, model in (("a", "two"), ("b", "five")):
        (tmp_path / name).symlink_to(models[model])
    (tmp_path / "model.json").write_text(json.dumps({**described, "combine": "max"}))
    runs = [alone(models, name)["vocals"] for name in ("two", "five", "four")]
    pair = combined("max", np.stack(runs[:2]), [1.0, 1.0], 9999)
    stems = ensemble({**models, "pair": tmp_path}, "pair+four").separate(SONG)
    np.testing.assert_allclose(stems["vocals"], (pair + runs[2]) / 2, atol=1e-6)


def test_runs_only_networks_of_the_chosen_stems(models: dict[str, Path], loaded: list[str]) -> None:
    separator = ensemble(models, "cascade+five+two")
    separator.separate(SONG, stems="vocals")
    assert loaded == ["voice", "five", "two"]
    loaded.clear()
    separator.separate(SONG, stems="drums")
    assert loaded == ["voice", "band", "five"]
    loaded.clear()
    ensemble(models, "five+two", weights={"vocals": [1, 0]}).separate(SONG, stems="vocals")
    assert loaded == ["five"]


@pytest.mark.parametrize("way", ["mean", *WAYS])
def test_files_equal_the_arrays_and_nothing_else_remains(
    models: dict[str, Path], write_song: WriteSong, tmp_path: Path, way: str
) -> None:
    separator = ensemble(models, "cascade+five+two", combine=way)
    song = write_song(noise(2, 5 * SEGMENT), 48000)
    files = separator.separate_to_files(song, tmp_path / "out", stems="all", subtype="float").files
    stems = separator.separate(song)
    for name in SOURCES:
        np.testing.assert_allclose(read(files[name]), stems[name], atol=1e-6)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["song"]


@pytest.mark.parametrize("way", ["mean", "max"])
def test_progress_increases_through_all_networks(models: dict[str, Path], way: str) -> None:
    reports: list[Progress] = []
    song = noise(2, 10 * SEGMENT)
    ensemble(models, "cascade+five+two", combine=way).separate(song, progress=reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    # Four networks, each with a quarter of the time.
    for quarter in range(4):
        assert any(quarter / 4 < (fraction - 0.03) / 0.93 < (quarter + 1) / 4 for fraction in fractions)


def test_progress_of_known_models_follows_their_times(tmp_path: Path) -> None:
    names = ("mdx_voc_ft", "melband_roformer_kim")
    for name in names:
        spectral_model(tmp_path / name, (0.5, 0.5), catalog()[name].sources, name=name)
    reports: list[Progress] = []
    separator = Separator("+".join(str(tmp_path / name) for name in names), threads=1)
    separator.separate(noise(2, 10 * SEGMENT), stems="vocals", progress=reports.append)
    shares = [(report.fraction - 0.03) / 0.93 for report in reports if report.stage == "separating"]
    first = catalog()["mdx_voc_ft"].speed.one_stem / catalog()["ensemble_mdx_melband"].speed.one_stem
    # The first network ends at its share of the time, and the second one then advances in larger steps.
    assert any(share == pytest.approx(first) for share in shares)
    assert len([share for share in shares if share < first]) > len(shares) / 3


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_can_be_cancelled_during_any_model(
    models: dict[str, Path], write_song: WriteSong, tmp_path: Path, share: float
) -> None:
    cancel = threading.Event()

    def stop(report: Progress) -> None:
        if report.fraction > share:
            cancel.set()

    song = write_song(noise(2, 10 * SEGMENT))
    with pytest.raises(Cancelled):
        ensemble(models, "cascade+five+two", combine="min").separate_to_files(
            song, tmp_path / "out", stems="all", progress=stop, cancel=cancel
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("way", ["mean", "max"])
def test_a_song_four_times_as_long_takes_no_more_memory(
    models: dict[str, Path], tmp_path: Path, way: str
) -> None:
    separator = ensemble(models, "five+two", combine=way)
    second, peaks = noise(2, 44100), []
    for seconds in (4, 16):
        song = tmp_path / f"{seconds}.wav"
        with Encoder(song, sample_rate=44100, channels=2) as encoder:
            for _ in range(seconds):
                encoder.write(second)
        peaks.append(peak_bytes(separator, song, tmp_path))
    assert peaks[1] < 1.25 * peaks[0]


@pytest.mark.parametrize(("way", "kept"), [("mean", 4), ("max", 8)])
def test_estimates_are_on_disk_once(
    models: dict[str, Path],
    write_song: WriteSong,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    kept: int,
) -> None:
    """The mean keeps one sum for each stem. Other ways keep each stem of all models but the last."""
    sizes = [0]
    add = Sums.add

    def measured(self: Sums, start: int, sources: object, estimates: np.ndarray) -> None:
        add(self, start, sources, estimates)  # type: ignore[arg-type]
        sizes.append(sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.f32")))

    monkeypatch.setattr(Sums, "add", measured)
    song = write_song(SONG)
    ensemble(models, "four+five+two", combine=way).separate_to_files(
        song, tmp_path / "out", stems="all", clip_mode="none"
    )
    assert max(sizes) == kept * SONG.nbytes


def test_settings_are_checked_for_every_model(models: dict[str, Path]) -> None:
    with pytest.raises(SettingError, match=r"^mdx allows segments of at most 0\.348 s, not 1"):
        ensemble(models, "four+mdx", segment_s=1)
    with pytest.raises(SettingError, match="Choose a smaller one"):
        ensemble(models, "four+five", overlap=0.9999)
    with pytest.raises(SettingError, match="no way to combine"):
        ensemble(models, "four+five", combine="product")
