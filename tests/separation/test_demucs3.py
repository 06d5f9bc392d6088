"""Networks like those of mdx_extra and mdx_extra_q give the stems of demucs 4.1.0.

The networks are narrower than the published ones. `benchmarks/demucs3_parity.py` compares the published sizes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from demucs.apply import apply_model
from numpy.typing import NDArray
from tests.models.small_catalog import use_catalog
from tests.networks.peer import music
from tests.separation.conftest import level_db
from tests.separation.small_hdemucs import small_graph, small_network, write_bag
from torch import nn

from unbraid import Separator
from unbraid.audio.decode import Decoder
from unbraid.audio.encode import Encoder
from unbraid.cli.main import main
from unbraid.demucs import api
from unbraid.models import archive_export, archive_import, catalog, find_model
from unbraid.models.architectures import BY_CLASS, Architecture
from unbraid.models.archive_export import export_models
from unbraid.models.archive_import import import_models
from unbraid.models.install import _convert
from unbraid.models.published import ModelFile
from unbraid.models.templates import default_segment, template_of
from unbraid.separation.runtimes.pytorch import PyTorchRuntime

RATE = 44_100
QUANTISED, PLAIN = "00000001", "00000002"
PUBLISHED_S = 2  # segments of the narrow networks

Bag = tuple[Path, dict[str, nn.Module]]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bag]:
    """A folder with the bag `mixed`, and its networks: one with quantised weights and the old padding, one without."""
    folder = tmp_path_factory.mktemp("demucs3")
    networks = {QUANTISED: small_network(1, hybrid_old=True), PLAIN: small_network(2)}
    write_bag(folder / "repo", "mixed", networks, {QUANTISED})
    with small_graph(folder / "graphs"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNBRAID_CACHE", str(folder / "cache"))
        yield folder / "repo", networks


def noisy_music(samples: int) -> NDArray[np.float32]:
    """Music with noise in every bin.

    Magnitudes get the phase of the mixture. In an empty bin it depends on rounding errors, and the estimates of seeded
    weights aren't zero there: `demucs` differs from itself in double precision by -30 dB.
    """
    random = np.random.default_rng(0)
    noise = 0.02 * random.standard_normal((2, samples))
    return (music(samples)[0].numpy() + noise).astype(np.float32)


def stems_of_demucs(network: nn.Module, song: NDArray[np.float32], **options: float) -> NDArray[np.float32]:
    mix = song.mean(axis=0)
    mean, deviation = mix.mean(), mix.std(ddof=1) + 1e-8
    with torch.no_grad():
        normalised = torch.from_numpy((song - mean) / deviation)[None]
        stems = apply_model(network, normalised, shifts=0, **options)[0].numpy() * deviation + mean
    return np.asarray(stems, np.float32)


def test_quantised_network_gives_the_stems_of_demucs(bag: Bag) -> None:
    repo, networks = bag
    song = noisy_music(40_000)
    expected = stems_of_demucs(networks[QUANTISED], song)
    stems = Separator(QUANTISED, repo=repo, device="cpu").separate(song)
    for actual, true in zip(stems.values(), expected, strict=True):
        assert level_db(actual - true, true) < -80


@pytest.mark.parametrize("signature", [QUANTISED, PLAIN])
def test_single_network_gives_the_stems_of_demucs_in_pytorch(bag: Bag, signature: str) -> None:
    repo, networks = bag
    song = noisy_music(20_000)
    model = find_model(signature, repo=repo)
    with PyTorchRuntime(model, "cpu").run({"mixture": song[None]}) as outputs, torch.no_grad():
        expected = networks[signature](torch.from_numpy(song)[None]).numpy()
        assert level_db(outputs["waveforms"] - expected, expected) < -80
    template = template_of(model)
    assert template is not None
    assert template.tensors[0].float16 == (signature == PLAIN)


def test_installed_bag_has_its_segment_and_can_be_exported(
    bag: Bag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, _ = bag
    paths = sorted(repo.glob("*.th"))
    files = tuple(ModelFile(f"https://example.org/{path.name}", "0" * 64) for path in paths)
    entry = replace(
        catalog()["mdx_extra"], files=files, graph="hdemucs_magnitudes+hdemucs_magnitudes", segment_s=44
    )
    use_catalog({"mdx_extra": entry}, monkeypatch.setattr)
    for module in (archive_export, archive_import):
        monkeypatch.setattr(module, "catalog", lambda: {"mdx_extra": entry})
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "one"))
    _convert(entry, paths)
    model = find_model("mdx_extra")
    assert model.segment_s == 44
    assert {member.model.name: member.model.edges for member in model.members} == {
        QUANTISED: "demucs_old",
        PLAIN: "demucs",
    }
    export_models(tmp_path / "models.tar", ["mdx_extra"])
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "two"))
    assert [outcome.problem for outcome in import_models(tmp_path / "models.tar")] == [None]
    assert find_model("mdx_extra").version == model.version


@pytest.mark.parametrize("signature", [QUANTISED, PLAIN])
def test_default_segments_have_at_most_16_s(bag: Bag, signature: str) -> None:
    model = find_model(signature, repo=bag[0])
    for published_s, default_s in ((44, 16), (10, 10)):
        assert default_segment(replace(model, segment=published_s * RATE)) == default_s * RATE
    # Networks of a fixed length would compute silence in place of the samples that are left out.
    assert default_segment(replace(model, segment=44 * RATE, fixed_length=True)) == 44 * RATE


def test_default_segments_are_shorter_than_those_of_demucs(
    bag: Bag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = replace(BY_CLASS["HDemucs"], longest_default_s=PUBLISHED_S / 2)
    monkeypatch.setitem(cast(dict[str, Architecture], BY_CLASS), "HDemucs", limited)
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    repo, networks = bag
    song = noisy_music(PUBLISHED_S * RATE)
    published = stems_of_demucs(networks[PLAIN], song, overlap=0)
    halves = stems_of_demucs(networks[PLAIN], song, overlap=0, segment=PUBLISHED_S / 2)

    stems = Separator(PLAIN, repo=repo, device="cpu", overlap=0).separate(song)
    assert worst_db(list(stems.values()), halves) < -80
    assert worst_db(list(stems.values()), published) > -60
    # OpenVINO stores a compiled network in memory first, which takes more than a segment.
    assert not list((tmp_path / "cache").glob("compiled/*"))

    separator = api.Separator(PLAIN, repo=repo, device="cpu", shifts=0, overlap=0)
    _, of_demucs = separator.separate_tensor(song, RATE)
    assert worst_db([np.asarray(stem) for stem in of_demucs.values()], published) < -80

    with Encoder(tmp_path / "song.wav", sample_rate=RATE, channels=2, subtype="float") as encoder:
        encoder.write(song)
    command = [
        "demucs",
        "-n",
        PLAIN,
        "--repo",
        repo,
        "-d",
        "cpu",
        "--shifts",
        "0",
        "--overlap",
        "0",
        "--float32",
    ]
    assert main([*map(os.fspath, command), "-o", str(tmp_path), str(tmp_path / "song.wav")]) == 0
    files = [tmp_path / PLAIN / "song" / f"{stem}.wav" for stem in of_demucs]
    assert worst_db([read(path) for path in files], published) < -80


def worst_db(stems: Sequence[NDArray[np.float32]], expected: NDArray[np.float32]) -> float:
    return max(level_db(stem - true, true) for stem, true in zip(stems, expected, strict=True))


def read(path: Path) -> NDArray[np.float32]:
    with Decoder(path, channels=2) as decoder:
        return np.concatenate(list(decoder), axis=1)
