"""Blending of two checkpoints."""

from pathlib import Path

import pytest
import torch

from unbraid.models.lite import LiteConfig
from unbraid.networks.checkpoint import averaged_network, load, save_average
from unbraid.networks.lite import Lite
from unbraid.training.blend import blend

SMALL = LiteConfig(widths=(8, 8, 8), bottom=1, hidden=8)


def test_averages_weights_and_statistics(tmp_path: Path) -> None:
    for seed, name in enumerate(("one", "other")):
        torch.manual_seed(seed)
        save_average(tmp_path / name, Lite(SMALL))
    blend(tmp_path / "one", tmp_path / "other", tmp_path / "out", 0.25)
    one, other = (load(tmp_path / name)["average"] for name in ("one", "other"))
    out = averaged_network(tmp_path / "out").state_dict()
    for name in ("hidden.weight", "normalise.running_mean"):
        torch.testing.assert_close(out[name], 0.75 * one[name].float() + 0.25 * other[name].float())


def test_rejects_networks_of_different_sizes(tmp_path: Path) -> None:
    save_average(tmp_path / "one", Lite(SMALL))
    save_average(tmp_path / "other", Lite(LiteConfig(widths=(8, 8, 16), bottom=1, hidden=8)))
    with pytest.raises(ValueError, match="different sizes"):
        blend(tmp_path / "one", tmp_path / "other", tmp_path / "out", 0.5)
