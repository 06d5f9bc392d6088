"""Networks like those of mdx_extra and mdx_extra_q give the stems of demucs 4.1.0.

The networks are narrower than the published ones. `benchmarks/demucs3_parity.py` compares the published sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

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
from unbraid.models import archive_export, archive_import, catalog, find_model
from unbraid.models.archive_export import export_models
from unbraid.models.archive_import import import_models
from unbraid.models.install import _convert
from unbraid.models.published import ModelFile
from unbraid.models.templates import template_of
from unbraid.separation.runtimes.pytorch import PyTorchRuntime

QUANTISED, PLAIN = "00000001", "00000002"

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


def stems_of_demucs(network: nn.Module, song: NDArray[np.float32]) -> NDArray[np.float32]:
    mix = song.mean(axis=0)
    mean, deviation = mix.mean(), mix.std(ddof=1) + 1e-8
    with torch.no_grad():
        normalised = torch.from_numpy((song - mean) / deviation)[None]
        stems: NDArray[np.float32] = apply_model(network, normalised, shifts=0)[0].numpy() * deviation + mean
    return stems


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
