"""The peer, `demucs` 4.1.0, in an environment of its own, with random weights that both sides can read.

What weights are changes what comes out, not what it costs.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PLACE = Path.home() / ".cache/unbraid-benchmarks/demucs-4.1.0"
PACKAGES = ["demucs==4.1.0", "numpy", "torch==2.13.0"]  # demucs imports numpy without saying so
SIGNATURE = "0123abcd"
# Published hyper-parameters of htdemucs: arXiv 2211.08553, and the training arguments in the published file.
DRAW = f"""
import sys, torch
from fractions import Fraction
from demucs.htdemucs import HTDemucs
torch.manual_seed(0)
kwargs = dict(sources=["drums", "bass", "other", "vocals"], audio_channels=2, samplerate=44100,
              segment=Fraction(39, 5), channels=48, nfft=4096, depth=4, dconv_mode=3, bottom_channels=512,
              t_layers=5, t_heads=8, t_hidden_scale=4.0, t_dropout=0.02)
state = {{name: value.half() for name, value in HTDemucs(**kwargs).state_dict().items()}}
torch.save({{"klass": HTDemucs, "args": (), "kwargs": kwargs, "state": state}}, sys.argv[1] + "/{SIGNATURE}.th")
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where its things are."""

    environment: Path
    weights: Path
    """A folder for `--repo`; `SIGNATURE` is the model in it."""

    @property
    def command(self) -> Path:
        return self.environment / "bin/demucs"

    @property
    def python(self) -> Path:
        return self.environment / "bin/python"


def make_peer(folder: Path = PLACE) -> Peer:
    """Install the peer into `folder` and draw its weights, unless that is done."""
    peer = Peer(folder / "environment", folder / "weights")
    if not (peer.weights / f"{SIGNATURE}.th").exists():
        peer.weights.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", peer.environment], check=True)
        subprocess.run([peer.environment / "bin/pip", "install", "--quiet", *PACKAGES], check=True)
        subprocess.run([peer.python, "-c", DRAW, peer.weights], check=True)
    return peer
