"""Calibration of the masks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from unbraid.models.lite import BINS, SAMPLE_RATE, LiteConfig
from unbraid.networks.lite import SOURCES, Lite
from unbraid.training import calibrate, validate
from unbraid.training.calibrate import apply_offsets, find_offsets
from unbraid.training.dataset import SongPool, SoundPool

SMALL = LiteConfig(widths=(8, 16, 24), bottom=1, hidden=16)


@pytest.fixture
def uniform_network() -> Lite:
    """A network whose masks are all a quarter."""
    network = Lite(SMALL).eval()
    torch.nn.init.zeros_(network.masks.weight)
    torch.nn.init.zeros_(network.masks.bias)
    return network


@pytest.fixture
def loud_vocals(tmp_path: Path) -> SongPool:
    rng = np.random.default_rng(0)
    folder = tmp_path / "train-0"
    folder.mkdir()
    for source in SOURCES:
        level = 6000 if source == "vocals" else 1000
        np.save(
            folder / f"{source}.npy", (rng.standard_normal((11 * SAMPLE_RATE, 2)) * level).astype(np.int16)
        )
    (folder / "song.json").write_text("{}")
    return SongPool(tmp_path, "train")


def test_loud_stem_gets_larger_offset(uniform_network: Lite, loud_vocals: SongPool) -> None:
    offsets = find_offsets(uniform_network, loud_vocals)
    assert offsets.argmax() == SOURCES.index("vocals")
    assert offsets[0] == 0
    assert offsets[SOURCES.index("vocals")] > 0.5


def test_includes_voices_over_backings(
    uniform_network: Lite, loud_vocals: SongPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validate, "OVER_BACKINGS", 6)
    monkeypatch.setattr(validate, "OVER_CROP_S", 1)
    monkeypatch.setattr(calibrate, "CROP_S", 2)
    rng = np.random.default_rng(1)
    np.save(tmp_path / "train-a.npy", (rng.standard_normal((7 * SAMPLE_RATE, 2)) * 3000).astype(np.int16))
    over = find_offsets(uniform_network, loud_vocals, SoundPool(tmp_path, "train"))  # with soft voices
    assert over[SOURCES.index("vocals")] < find_offsets(uniform_network, loud_vocals)[SOURCES.index("vocals")]


@torch.no_grad()
def test_offsets_change_the_masks(uniform_network: Lite) -> None:
    state = uniform_network.state_dict()
    apply_offsets(state, torch.tensor([0.0, 0.0, 0.0, np.log(3.0)]))
    uniform_network.load_state_dict(state)
    masks = uniform_network.pooled_masks(torch.randn(1, 2, BINS, 4, 2))
    torch.testing.assert_close(masks[:, 3], torch.full_like(masks[:, 3], 0.5))
    torch.testing.assert_close(masks[:, 0], torch.full_like(masks[:, 0], 1 / 6))
