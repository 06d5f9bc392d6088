"""The peers, each in an environment of its own, with random weights that all sides can read.

What weights are changes what comes out, not what it costs. `demucs` 4.1.0 draws them; the others read the same file.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from process import measure

CACHE = Path.home() / ".cache/unbraid-benchmarks"
PLACE = CACHE / "demucs-4.1.0"
TORCH = "torch==2.13.0"  # the same for all
PACKAGES = ["demucs==4.1.0", "numpy", TORCH]  # demucs imports numpy without saying so
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
    """Install `demucs` 4.1.0 into `folder` and draw its weights, unless that is done."""
    peer = Peer(folder / "environment", folder / "weights")
    if not (peer.weights / f"{SIGNATURE}.th").exists():
        peer.weights.mkdir(parents=True, exist_ok=True)
        make_environment(peer.environment, PACKAGES)
        measure([peer.python, "-c", DRAW, peer.weights])
    return peer


def make_environment(environment: Path, packages: Sequence[str]) -> Path:
    """An environment with `packages`, made unless it has been. Raises CommandFailed where it can't be made."""
    done = environment / "benchmark-packages.txt"
    wanted = "\n".join(packages)
    if not (done.exists() and done.read_text() == wanted):
        measure([sys.executable, "-m", "venv", environment])
        measure([environment / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *packages])
        done.write_text(wanted)
    return environment


def audio_separator_models(folder: Path, weights: Path) -> Path:
    """A models' folder for `audio-separator` that lacks nothing it would download: its list, the bag, the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    network = f"{SIGNATURE}.th"
    shutil.copyfile(weights / network, folder / network)
    (folder / "htdemucs.yaml").write_text(f"models: ['{SIGNATURE}']\n")
    kinds = ("vr_download", "mdx_download", "mdx_download_vip", "mdx23c_download", "mdx23c_download_vip",
             "roformer_download")  # fmt: skip
    lists = {f"{kind}_list": {} for kind in kinds}
    files = {name: name for name in ("htdemucs.yaml", network)}
    lists["demucs_download_list"] = {"Demucs v4: htdemucs": files}
    (folder / "download_checks.json").write_text(json.dumps(lists))
    return folder
