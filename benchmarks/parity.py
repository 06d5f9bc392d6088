"""Compare the stems of Unbraid and of `demucs` 4.1.0, with the same weights.

    python benchmarks/parity.py [SONG…] [--models htdemucs …] [--seconds 20] [--cases plain …] [--engines native …]

Needs `demucs==4.1.0` in the environment. Generates random weights for the published hyper-parameters and writes them
in the published format, bags included. Both sides read those files. Without a song, separates seeded tones, beats and
noise. If the native library can compute a model, both engines compute it, otherwise only OpenVINO. Prints for every
stem the energy of the difference relative to the peer's stem, and the largest difference relative to the largest
sample, in dB. Fails if the energy is above -80 dB with OpenVINO, or above -60 dB with the native library, which
computes on 16-bit integers (see `native_error.py`).
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import demucs.apply
import numpy as np
import torch
import yaml
from demucs.apply import BagOfModels, apply_model
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.pretrained import get_model

from engines import NATIVE, OPENVINO, engine_of, only_openvino
from sound import RATE, difference_db, read
from unbraid import Separator
from unbraid.models import find_model
from unbraid.separation.settings import SegmentLength

ALLOWED_DB = {NATIVE: -60.0, OPENVINO: -80.0}
ENGINES = {"native": NATIVE, "openvino": OPENVINO}
FOUR = ["drums", "bass", "other", "vocals"]
SIX = [*FOUR, "guitar", "piano"]
# Published hyper-parameters: arXiv 2211.08553 and 2111.03600, and the arguments in the published files.
HT = {"segment": Fraction(39, 5), "channels": 48, "nfft": 4096, "depth": 4, "dconv_mode": 3, "t_layers": 5,
      "t_heads": 8, "t_hidden_scale": 4.0, "t_dropout": 0.02}  # fmt: skip
NETWORKS: dict[str, tuple[type[torch.nn.Module], dict[str, Any], int]] = {
    "htdemucs": (HTDemucs, {**HT, "sources": FOUR, "bottom_channels": 512}, 1),
    "htdemucs_ft": (HTDemucs, {**HT, "sources": FOUR, "bottom_channels": 512}, 4),
    "htdemucs_6s": (HTDemucs, {**HT, "sources": SIX, "bottom_channels": 0}, 1),
    "hdemucs_mmi": (HDemucs, {"sources": FOUR, "segment": 44, "channels": 48, "nfft": 4096, "depth": 6,
                              "hybrid": True}, 1),
}  # fmt: skip
# Options for both sides. "shorter" is a song shorter than a segment.
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "shorter": {},
    "segment": {"segment": 5.0, "overlap": 0.1},
    "shifts": {"shifts": 2, "overlap": 0.5},
}
SHORTER_S = 3.1
SEED = 7


def main() -> int:
    """Separate everything on both sides, print a table, and check that the stems agree."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("songs", type=Path, nargs="*", metavar="SONG")
    parser.add_argument("--models", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--seconds", type=float, default=20.0, help="of each song, from its beginning")
    options = parser.parse_args()
    worst: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["UNBRAID_CACHE"] = str(Path(folder) / "cache")
        for name in options.models:
            repo = write_model(name, Path(folder) / name)
            peer = get_model(name, repo)
            available = (engine_of(find_model(name, repo=repo)), OPENVINO)
            engines = [ENGINES[engine] for engine in options.engines if ENGINES[engine] in available]
            for path in (options.songs or [None]) if engines else []:
                song = read(path, options.seconds) if path else generate_song(options.seconds)
                for case in options.cases:
                    part = song[:, : int(SHORTER_S * RATE)] if case == "shorter" else song
                    theirs = separate_with_peer(peer, part, **CASES[case])
                    for engine in engines:
                        with only_openvino() if engine == OPENVINO else nullcontext():
                            ours = separate(name, repo, part, **CASES[case])
                        title = path.name if path else "generated"
                        label = f"{name:12}{title:18.18}{case:9}{engine:18}"
                        for source, stem in zip(peer.sources, theirs, strict=True):
                            energy_db = difference_db(ours[source], stem)
                            peak_db = peak_difference_db(ours[source], stem)
                            worst[engine] = max(worst.get(engine, -np.inf), energy_db)
                            print(f"{label}{source:8}{energy_db:8.1f} dB{peak_db:8.1f} dB", flush=True)
    for engine, energy_db in worst.items():
        agree = "agree" if energy_db <= ALLOWED_DB[engine] else "DO NOT AGREE"
        print(f"{engine}: {agree}, {energy_db:.1f} dB at worst, {ALLOWED_DB[engine]:.0f} dB allowed")
    return 0 if all(energy_db <= ALLOWED_DB[engine] for engine, energy_db in worst.items()) else 1


def write_model(name: str, repo: Path) -> Path:
    """Write the networks and the bag of a model with random weights. Returns their folder."""
    repo.mkdir()
    kind, arguments, count = NETWORKS[name]
    signatures = [f"{index:08x}" for index in range(1, count + 1)]
    for seed, signature in enumerate(signatures):
        torch.manual_seed(seed)
        network = kind(audio_channels=2, samplerate=RATE, **arguments)
        with torch.no_grad():
            for key, parameter in network.named_parameters():
                if key.endswith("scale"):
                    # Initial scales are near zero and would hide a branch with wrong connections.
                    parameter.fill_(0.3)
        state = {key: value.half() for key, value in network.state_dict().items()}
        package = {"klass": kind, "args": (), "kwargs": dict(network._init_args_kwargs[1]), "state": state}
        torch.save(package, repo / f"{signature}.th")
    bag: dict[str, Any] = {"models": signatures}
    if count > 1:
        bag["weights"] = np.eye(count).tolist()
    (repo / f"{name}.yaml").write_text(yaml.safe_dump(bag))
    return repo


def separate_with_peer(
    peer: BagOfModels, song: np.ndarray, shifts: int = 0, overlap: float = 0.25, segment: float | None = None
) -> np.ndarray:
    """Separate as the peer's `Separator` does. Returns its stems, (sources, channels, samples)."""
    mix = song.mean(axis=0)
    mean, deviation = mix.mean(), mix.std(ddof=1) + 1e-8
    # A separate generator for the shifts, because the peer's transformer draws from the global one in between.
    demucs.apply.random = random.Random(SEED)
    with torch.no_grad():
        normalised = torch.from_numpy((song - mean) / deviation)[None]
        stems = apply_model(peer, normalised, shifts=shifts, overlap=overlap, segment=segment)
    return stems[0].numpy() * deviation + mean


def separate(
    name: str,
    repo: Path,
    song: np.ndarray,
    shifts: int = 0,
    overlap: float | None = None,
    segment: SegmentLength = "published",
) -> dict[str, np.ndarray]:
    """Separate with Unbraid, in the segments of `demucs`. Returns stems by name."""
    separator = Separator(
        name, repo=repo, device="cpu", shifts=shifts, overlap=overlap, segment_s=segment, seed=SEED
    )
    return dict(separator.separate(song))


def peak_difference_db(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the largest difference, in dB relative to the largest sample of `theirs`."""
    return float(20 * np.log10(np.abs(ours - theirs).max() / np.abs(theirs).max() + 1e-15))


def generate_song(seconds: float) -> np.ndarray:
    """Return seeded tones, a beat and noise, (2, samples) float32 at RATE."""
    time_s = np.arange(int(seconds * RATE)) / RATE
    random_numbers = np.random.default_rng(0)
    tones = sum(0.1 * np.sin(2 * np.pi * hertz * time_s) for hertz in (110.0, 277.2, 329.6, 1318.5))
    beats = 0.3 * random_numbers.standard_normal((2, len(time_s))) * np.exp(-20 * (time_s % 0.5))
    return (tones + beats + 0.01 * random_numbers.standard_normal((2, len(time_s)))).astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
