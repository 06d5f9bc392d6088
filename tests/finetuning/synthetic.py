"""Songs that hardly overlap in frequency, and a tiny network, so that learning takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from unbraid.audio.encode import Encoder
from unbraid.models import lite
from unbraid.models.lite import LiteConfig
from unbraid.models.own_files import save_model
from unbraid.models.templates import lite_template
from unbraid.networks.lite import Lite

RATE = 44_100
TINY = LiteConfig(widths=(4, 8, 8), bottom=1, hidden=8, stems=2)


LOWEST_HZ = (60, 2000, 300, 6000, 800, 10_000)


def write_songs(folder: Path, names: tuple[str, ...], songs: int = 4, seconds: float = 16) -> Path:
    """Write songs of up to six tones with changing levels: low, high, and others. Return the folder."""
    for number in range(songs):
        rng = np.random.default_rng(number)
        time = np.arange(int(seconds * RATE)) / RATE
        (folder / f"song{number}").mkdir(parents=True)
        for name, low in zip(names, LOWEST_HZ, strict=False):
            tone = np.sin(2 * np.pi * low * rng.uniform(1, 1.5) * time)
            levels = np.repeat(rng.uniform(0.05, 0.3, int(2 * seconds)), RATE // 2)
            sound = np.tile(tone[: len(levels)] * levels, (2, 1)).astype(np.float32)
            with Encoder(folder / f"song{number}" / f"{name}.wav", sample_rate=RATE, channels=2) as encoder:
                encoder.write(sound)
    return folder


def write_tiny_model(folder: Path, stems: tuple[str, ...] = ("low", "high"), seed: int = 0) -> Path:
    """Write the model folder of an untrained network. Return the folder."""
    torch.manual_seed(seed)
    network = Lite(TINY)
    state = {name: value.numpy() for name, value in network.state_dict().items() if value.is_floating_point()}
    save_model(folder, lite_template(TINY, lite.description(stems, TINY)), state, {})
    return folder
