"""Compare the stems of Unbraid and of `demucs` 4.1.0 for networks like those of mdx_extra and mdx_extra_q.

    python benchmarks/demucs3_parity.py SONG [--seconds 8] [--only quantised …]

Needs `demucs==4.1.0` and `diffq==0.2.4` in the environment (`pip install --no-deps diffq`). Writes seeded networks
of the published sizes with the packages' own code: on real and imaginary parts or on magnitudes (`cac`), with the new
or the old padding (`hybrid_old`), as float16 or quantised. Prints the file sizes beside the published ones, and for
every network the energy of the difference of the stems, relative to the peer's, in dB.

Networks on magnitudes give stems the phase of the mixture. In a bin that is nearly empty, it depends on rounding
errors, and the estimates of seeded weights aren't zero there, unlike those of trained ones. So there are two
comparisons. The first has noise of -40 dB added to the song, so that every bin has a phase. It must agree within
-80 dB. The second has the song alone, and `demucs` in double precision as the exact result: our stems must be closer
to it than those of `demucs` in single precision, unless they are within -80 dB.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demucs.hdemucs import HDemucs
from demucs.states import load_model

from parity import FOUR, separate, separate_with_peer
from sound import RATE, difference_db, read

ALLOWED_DB = -80.0
NOISE_DB = -40.0
# Published sizes in bytes; the training record in the files takes about 2,600 bytes.
PUBLISHED = {True: 167_399_275, False: 167_391_595}
NETWORKS = {
    "cac": {"cac": True},
    "cac-old": {"cac": True, "hybrid_old": True},
    "magnitudes": {"cac": False},
    "magnitudes-old": {"cac": False, "hybrid_old": True},
    "quantised": {"cac": True},
    "quantised-magnitudes-old": {"cac": False, "hybrid_old": True},
}


def main() -> int:
    """Separate with all networks on both sides, print a table, and check that the stems agree."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("--seconds", type=float, default=8.0, help="of the song, from its beginning")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    options = parser.parse_args()
    song = read(options.song, options.seconds)
    level = 10 ** (NOISE_DB / 20) * song.std()
    noise = np.random.default_rng(0).standard_normal(song.shape) * level
    noisy = (song + noise).astype(np.float32)
    passed = True
    print(
        "network                   with noise      song alone: ours to exact, demucs to exact, ours to demucs"
    )
    for seed, name in enumerate(options.only):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["UNBRAID_CACHE"] = str(Path(folder) / "cache")
            path = write(Path(folder) / "00000001.th", seed, name.startswith("quantised"), **NETWORKS[name])
            peer = load_model(path)
            with_noise = worst(separated(path, noisy), separate_with_peer(peer, noisy))
            ours, theirs = separated(path, song), separate_with_peer(peer, song)
            exact = separate_with_peer(peer.double(), song.astype(np.float64))
            ours_db, theirs_db, both_db = worst(ours, exact), worst(theirs, exact), worst(ours, theirs)
            size = path.stat().st_size
        passed = passed and with_noise <= ALLOWED_DB and (ours_db <= theirs_db or both_db <= ALLOWED_DB)
        line = f"{name:26}{with_noise:8.1f} dB{ours_db:13.1f} dB{theirs_db:10.1f} dB{both_db:10.1f} dB"
        published = PUBLISHED[NETWORKS[name]["cac"]]
        sizes = f"{size:,} bytes" + ("" if "quantised" in name else f", published {published:,}")
        print(f"{line}   {sizes}", flush=True)
    print("agree" if passed else "DO NOT AGREE")
    return 0 if passed else 1


def write(path: Path, seed: int, quantised: bool, **arguments: Any) -> Path:
    """Write a seeded network of the published size."""
    torch.manual_seed(seed)
    network = HDemucs(sources=FOUR, audio_channels=2, samplerate=RATE, segment=44, **arguments)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("scale"):
                # Initial scales are near zero and would hide a branch with wrong connections.
                parameter.fill_(0.3)
    kwargs = dict(network._init_args_kwargs[1])
    if quantised:
        import diffq  # an extra package, which --help doesn't need

        quantiser = diffq.DiffQuantizer(network, min_size=0.2, group_size=8)
        with torch.no_grad():
            for parameter in quantiser._qparams:
                parameter.logit.normal_(
                    -2.1, 0.8
                )  # 2 to 14 bits; the file has the size of the published ones
        state = {**quantiser.get_quantized_state(), "__quantized": True}
    else:
        state = {name: value.half() for name, value in network.state_dict().items()}
    torch.save({"klass": HDemucs, "args": (), "kwargs": kwargs, "state": state}, path)
    return path


def separated(path: Path, song: np.ndarray) -> np.ndarray:
    """Separate with Unbraid. Returns (sources, channels, samples)."""
    return np.stack(list(separate(path.stem, path.parent, song).values()))


def worst(stems: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference of a stem in dB."""
    return max(difference_db(ours, theirs) for ours, theirs in zip(stems, expected, strict=True))


if __name__ == "__main__":
    sys.exit(main())
