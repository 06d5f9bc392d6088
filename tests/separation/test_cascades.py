"""Bags of different models, in which a network may read what the networks before it leave of the song."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.separation.conftest import WriteSong, noise, read
from tests.separation.known_models import GAINS, SEGMENT, SOURCES, loudness_model, spectral_model

from unbraid import Separator
from unbraid.separation import Progress


def write_cascade(folder: Path, **changed: Any) -> Path:
    """Write a bag: `voice` takes half of the song as vocals, and `band` reads the rest."""
    spectral_model(folder / "voice", (0.5, 0.5), ("vocals", "no_vocals"), normalise=False, segment=5000)
    loudness_model(folder / "band", GAINS, normalise=True, overlap=0.1)
    description = {
        "name": "cascade",
        "version": "1",
        "licence": "MIT",
        "sources": SOURCES,
        "rest": "other",
        "networks": [
            {"folder": "voice", "weights": {"vocals": 1}},
            {"folder": "band", "input": "rest", "weights": {"drums": 1, "bass": 1}},
        ],
    }
    (folder / "model.json").write_text(json.dumps({**description, **changed}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cascade(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("channels", [1, 2])
def test_equals_the_two_models_one_after_the_other(cascade: Path, channels: int) -> None:
    song = noise(channels, 5 * SEGMENT + 11)
    stems = Separator(cascade, threads=1).separate(song)
    vocals = Separator(cascade / "voice", threads=1).separate(song)["vocals"]
    band = Separator(cascade / "band", threads=1).separate(song - vocals)
    np.testing.assert_allclose(stems["vocals"], vocals, atol=1e-6)
    np.testing.assert_allclose(stems["drums"], band["drums"], atol=1e-6)
    np.testing.assert_allclose(stems["bass"], band["bass"], atol=1e-6)
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)


@pytest.mark.parametrize("name", SOURCES)
def test_single_stem_equals_the_stem_among_all(cascade: Path, name: str) -> None:
    song = noise(2, 3 * SEGMENT)
    separator = Separator(cascade, threads=1)
    single = separator.separate(song, stems=name)
    np.testing.assert_array_equal(single[name], separator.separate(song)[name])
    np.testing.assert_allclose(single[name] + single[f"no_{name}"], song, atol=1e-6)


@pytest.mark.parametrize("complement", ["rest", "sum", "none"])
@pytest.mark.parametrize("stem", ["other", "drums"])
def test_every_complement_of_every_kind_of_source(
    cascade: Path, write_song: WriteSong, tmp_path: Path, complement: str, stem: str
) -> None:
    samples = noise(2, 3 * SEGMENT)
    separator = Separator(cascade, threads=1)
    files = separator.separate_to_files(
        write_song(samples), tmp_path / "out", stems=stem, complement=complement, subtype="float"
    ).files
    stems = separator.separate(samples)
    np.testing.assert_allclose(read(files[stem]), stems[stem], atol=1e-6)
    assert list(files) == ([stem] if complement == "none" else [stem, f"no_{stem}"])
    if complement != "none":
        np.testing.assert_allclose(read(files[f"no_{stem}"]), samples - stems[stem], atol=1e-6)


@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (22050, 1)])
def test_stems_of_any_rate_add_up_to_the_song(
    cascade: Path, write_song: WriteSong, tmp_path: Path, rate: int, channels: int
) -> None:
    samples = noise(channels, 4 * SEGMENT)
    files = (
        Separator(cascade, threads=1)
        .separate_to_files(write_song(samples, rate), tmp_path / "out", stems="all", subtype="float")
        .files
    )
    np.testing.assert_allclose(sum(read(path) for path in files.values()), samples, atol=1e-5)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["song"]


def test_runs_the_second_network_only_if_it_is_needed(cascade: Path, loaded: list[str]) -> None:
    both = Separator(cascade, threads=1)
    both.separate(noise(2, SEGMENT), stems="vocals")
    assert loaded == ["voice"]
    both.separate(noise(2, SEGMENT), stems="drums")
    assert loaded == ["voice", "band"]


def test_progress_increases_through_both_networks(
    cascade: Path, write_song: WriteSong, tmp_path: Path
) -> None:
    reports: list[Progress] = []
    song = write_song(noise(2, 10 * SEGMENT))
    Separator(cascade, threads=1).separate_to_files(song, tmp_path, stems="all", progress=reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len({fraction for fraction in fractions if 0.1 < fraction < 0.9}) > 10


def test_models_of_different_kinds_are_averaged(tmp_path: Path) -> None:
    folder = write_cascade(
        tmp_path,
        rest=None,
        networks=[
            {"folder": "voice", "weights": {"vocals": 3}},
            {"folder": "plain", "weights": dict(zip(SOURCES, (1, 1, 1, 1), strict=True))},
        ],
    )
    spectral_model(folder / "plain", normalise="scale")
    song = noise(2, 3 * SEGMENT)
    stems = Separator(folder, threads=1).separate(song)
    # Three quarters of 0.5 and one quarter of 0.1.
    np.testing.assert_allclose(stems["vocals"], 0.4 * song, atol=1e-4)
    np.testing.assert_allclose(stems["drums"], 0.4 * song, atol=1e-4)
