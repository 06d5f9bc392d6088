"""Average the weights of two runs: `python -m unbraid.training.blend CHECKPOINT OTHER OUT [--share 0.5]`.

If OTHER continues the run of CHECKPOINT, the average often keeps the quality of the first run on unseen sounds
(Wortsman et al., "Model soups", arXiv 2203.05482). `calibrate`, `export` and `--start-from` accept OUT.
"""

import argparse
from pathlib import Path

import torch

from unbraid.networks.checkpoint import load, write


def blend(one: Path, other: Path, out: Path, share: float) -> None:
    """Write the weighted mean of the weights and statistics of two checkpoints; `share` (0 to 1) is that of `other`.

    Raises ValueError if the networks have different sizes.
    """
    first, second = load(one), load(other)
    if first["config"] != second["config"]:
        raise ValueError(f"{one} and {other} have networks of different sizes")
    blended = {
        name: torch.lerp(value.float(), second["average"][name].float(), share)
        if value.is_floating_point()
        else value
        for name, value in first["average"].items()
    }
    write(out, {"config": first["config"], "average": blended})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m unbraid.training.blend", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="weight of OTHER (default 0.5)")
    args = parser.parse_args()
    blend(args.checkpoint, args.other, args.out, args.share)


if __name__ == "__main__":
    main()
