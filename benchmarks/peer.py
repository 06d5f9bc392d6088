"""Install the peers, each in its own environment, and generate random weights for all sides.

The cost does not depend on the values of the weights. `demucs` 4.1.0 generates them, and the others read the same file.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from process import measure

CACHE = Path.home() / ".cache/unbraid-benchmarks"
DEMUCS_FOLDER = CACHE / "demucs-4.1.0"
TORCH = "torch==2.13.0"  # the same version for all
PACKAGES = ["demucs==4.1.0", "numpy", TORCH]  # demucs imports numpy but does not declare it
SIGNATURE = "0123abcd"
# Published hyper-parameters of htdemucs: arXiv 2211.08553, and the training arguments in the published file.
GENERATE_WEIGHTS = f"""
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
    """Files of a peer."""

    environment: Path
    weights: Path
    """Folder for `--repo` with the model `SIGNATURE`."""

    @property
    def command(self) -> Path:
        return self.environment / "bin/demucs"

    @property
    def python(self) -> Path:
        return self.environment / "bin/python"


def make_peer(folder: Path = DEMUCS_FOLDER) -> Peer:
    """Install `demucs` 4.1.0 into `folder` and generate its weights, unless they exist."""
    peer = Peer(folder / "environment", folder / "weights")
    if not (peer.weights / f"{SIGNATURE}.th").exists():
        peer.weights.mkdir(parents=True, exist_ok=True)
        make_environment(peer.environment, PACKAGES)
        measure([peer.python, "-c", GENERATE_WEIGHTS, peer.weights])
    return peer


def make_environment(environment: Path, packages: Sequence[str]) -> Path:
    """Create an environment with `packages`, unless it exists. Raises CommandFailed if that fails."""
    stamp = environment / "benchmark-packages.txt"
    content = "\n".join(packages)
    if not (stamp.exists() and stamp.read_text() == content):
        measure([sys.executable, "-m", "venv", environment])
        measure([environment / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *packages])
        stamp.write_text(content)
    return environment


def audio_separator_models(folder: Path, weights: Path) -> Path:
    """Write a model folder for `audio-separator` with the files that it would download: list, bag and weights."""
    folder.mkdir(parents=True, exist_ok=True)
    network = f"{SIGNATURE}.th"
    shutil.copyfile(weights / network, folder / network)
    (folder / "htdemucs.yaml").write_text(f"models: ['{SIGNATURE}']\n")
    files = {name: name for name in ("htdemucs.yaml", network)}
    write_audio_separator_list(folder, demucs_download_list={"Demucs v4: htdemucs": files})
    return folder


def write_audio_separator_list(folder: Path, **known: Mapping[str, Any]) -> None:
    """Write the list of models that `audio-separator` would download, with these entries."""
    kinds = ("vr_download", "mdx_download", "mdx_download_vip", "mdx23c_download", "mdx23c_download_vip",
             "roformer_download")  # fmt: skip
    lists = {f"{kind}_list": {} for kind in kinds}
    (folder / "download_checks.json").write_text(json.dumps({**lists, **known}))
