"""Print the median scores of models on the songs for which a table of audio-separator has all of them.

    python benchmarks/common_scores.py FILE [--stem vocals]

FILE is `models-scores.json` of audio-separator 0.47.1: `pip download --no-deps audio-separator==0.47.1`, and unpack the
wheel. Its own medians are of 11 to 41 songs for each model, so they can't be compared. The catalogue has the medians of
this script as the set `musdb11`.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from pathlib import Path

# Models of the catalogue, by their files there.
FILES = {
    "melband_roformer_kim": "vocals_mel_band_roformer.ckpt",
    "bs_roformer_viperx": "model_bs_roformer_ep_317_sdr_12.9755.ckpt",
    "mdx_inst_hq_4": "UVR-MDX-NET-Inst_HQ_4.onnx",
    "mdx_inst_hq_5": "UVR-MDX-NET-Inst_HQ_5.onnx",
    "mdx_voc_ft": "UVR-MDX-NET-Voc_FT.onnx",
    "mdx_kim_vocal_2": "Kim_Vocal_2.onnx",
    "mdx23c_instvoc_hq": "MDX23C-8KFFT-InstVoc_HQ.ckpt",
    "htdemucs": "htdemucs.yaml",
    "htdemucs_ft": "htdemucs_ft.yaml",
    "htdemucs_6s": "htdemucs_6s.yaml",
    "hdemucs_mmi": "hdemucs_mmi.yaml",
}


def scores_of(table: Mapping[str, object], stem: str) -> dict[str, dict[str, float]]:
    """Return the SDR of each song in dB, by model."""
    found: dict[str, dict[str, float]] = {}
    for name, file in FILES.items():
        songs = table[file]["track_scores"]  # type: ignore[index]
        found[name] = {
            song["track_name"]: song["scores"][stem]["SDR"] for song in songs if stem in song["scores"]
        }
    return found


def common_medians(scores: Mapping[str, Mapping[str, float]]) -> tuple[list[str], dict[str, float]]:
    """Return the songs that all models have, and the median of each model on them."""
    songs = sorted(set.intersection(*(set(of_model) for of_model in scores.values())))
    return songs, {
        name: statistics.median(of_model[song] for song in songs) for name, of_model in scores.items()
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="models-scores.json of audio-separator")
    parser.add_argument("--stem", default="vocals", help="stem (default: %(default)s)")
    arguments = parser.parse_args()
    songs, medians = common_medians(scores_of(json.loads(arguments.file.read_text("utf-8")), arguments.stem))
    print(f"{len(songs)} songs: {', '.join(songs)}\n")
    for name, median in sorted(medians.items(), key=lambda item: -item[1]):
        print(f"| `{name}` | {median:.2f} |")


if __name__ == "__main__":
    main()
