"""Write the quantised packages in `quantised/`, and the weights that diffq restores from them.

    python tests/models/readers/make_quantised.py

Needs torch, demucs 4.1.0 and diffq 0.2.4 (which compiles C) in the environment. The tests need none of them.
"""

from pathlib import Path

import numpy as np
import torch
from demucs.hdemucs import HDemucs
from diffq import DiffQuantizer, UniformQuantizer, restore_quantized_state
from torch import nn

FOLDER = Path(__file__).with_name("quantised")
SOURCES = ["drums", "bass", "other", "vocals"]


def network() -> nn.Module:
    """A network of a plain tensor, two quantised ones and a plain one."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(8, 48, 8, bias=False), nn.Linear(64, 40))


def main() -> None:
    """Write GROUPED, with bits from 2 to 14 in one tensor and 2 in the other, and UNIFORM."""
    for name, arguments in (("grouped", {"group_size": 8}), ("uniform", {"bits": 5})):
        trained = network()
        kind = DiffQuantizer if name == "grouped" else UniformQuantizer
        quantiser = kind(trained, min_size=0.001, **arguments)
        if name == "grouped":
            bits = 2 + 12 * torch.rand(384).square()
            bits[:13] = torch.arange(2, 15)
            quantiser._qparams[0].logit.data[:] = torch.logit((bits - 2) / 13, eps=1e-4)
            quantiser._qparams[1].logit.data[:] = -100
        state = quantiser.get_quantized_state()
        restored = network()
        restore_quantized_state(restored, state)
        np.savez(
            FOLDER / f"{name}.npz", **{key: value.numpy() for key, value in restored.state_dict().items()}
        )
        package = {
            "klass": HDemucs,
            "args": (),
            "kwargs": {"sources": SOURCES},
            "state": {**state, "__quantized": True},
        }
        torch.save(package, FOLDER / f"{name}.th")


if __name__ == "__main__":
    main()
