"""Train the bundled network: `python -m unbraid.training.train --songs DIR --out DIR --hours 2`.

The run stops after the hours (or `--steps`). A new call continues from the last checkpoint. The learning rate depends
on the completed share of the run (a short warm-up, then a cosine to zero), so that one command suits laptops and
GPUs.
"""

import argparse
import json
import math
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

import torch

from unbraid.models.lite import HOP, LiteConfig
from unbraid.networks.checkpoint import load, write
from unbraid.networks.lite import Lite
from unbraid.training.augment import Augmentation
from unbraid.training.dataset import BackingMix, Batches, SongPool, SoundPool
from unbraid.training.losses import STEM_WEIGHTS
from unbraid.training.mask_objective import MaskObjective
from unbraid.training.run import Run, choose_device, prefetch
from unbraid.training.validate import Validation

FRAMES = 128  # per training crop: (128 - 1) * 1024 / 44100 = 2.95 s
WARM_UP = 0.02  # share of the run
CHECKPOINT_S = 240.0
VALIDATE_S = 600.0
REFRESH_STEPS = 25  # look for new songs

OBJECTIVE = MaskObjective()


@dataclass(frozen=True)
class Recipe:
    """Settings of a run. Either `hours` or `steps` sets its length."""

    songs: Path
    out: Path
    hours: float | None = None
    steps: int | None = None
    batch: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    seed: int = 0
    device: str = "auto"
    start_from: Path | None = None
    backings: Path | None = None
    voices: Path | None = None
    config: LiteConfig = field(default_factory=LiteConfig)

    def share(self, progress: "Progress") -> float:
        """Completed share of the run, 0 to 1. Raises ValueError if the recipe has no length."""
        if self.steps is not None:
            return progress.steps / self.steps
        if self.hours is not None:
            return progress.seconds / (3600 * self.hours)
        raise ValueError("a recipe needs hours or steps")


@dataclass
class Progress:
    """Progress of a run, stored in its checkpoint."""

    steps: int = 0
    seconds: float = 0.0


def rate(share: float, peak: float) -> float:
    """Learning rate after `share` (0 to 1) of the run."""
    if share < WARM_UP:
        return peak * max(share / WARM_UP, 0.02)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARM_UP) / (1 - WARM_UP))))


def start_run(recipe: Recipe, checkpoint: Path) -> tuple[Run, Progress]:
    """Start a run, or continue that of the checkpoint if it exists."""
    torch.manual_seed(recipe.seed)
    network = Lite(recipe.config)
    content = load(checkpoint) if checkpoint.exists() else None
    if content is None and recipe.start_from:
        network.load_state_dict(load(recipe.start_from)["average"])
    run = Run(
        network.train(),
        OBJECTIVE,
        choose_device(recipe.device),
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        stem_weights=STEM_WEIGHTS,
    )
    if content is None:
        return run, Progress()
    run.restore({**content, "steps": content["state"]["steps"]})
    return run, Progress(content["state"]["steps"], content["state"]["seconds"])


def save(run: Run, recipe: Recipe, progress: Progress, checkpoint: Path) -> None:
    """Write the checkpoint."""
    write(checkpoint, {"config": asdict(recipe.config), **run.state(), "state": asdict(progress)})


def load_sounds(folder: Path | None, split: str) -> SoundPool | None:
    """Load the sounds of a folder, if one is given."""
    return None if folder is None else SoundPool(folder, split)


def train(recipe: Recipe) -> Path:
    """Run the recipe and return the path of the checkpoint. Scores are appended to `log.jsonl` beside it."""
    recipe.out.mkdir(parents=True, exist_ok=True)
    checkpoint = recipe.out / "checkpoint.pt"
    run, progress = start_run(recipe, checkpoint)
    pool = SongPool(recipe.songs, "train")
    backings, voices = recipe.backings, recipe.voices
    validation = Validation(
        SongPool(recipe.songs, "test"), load_sounds(backings, "test"), load_sounds(voices, "test")
    )
    backing_sounds = load_sounds(backings, "train")
    backing_mix = None if backing_sounds is None else BackingMix(backing_sounds, load_sounds(voices, "train"))
    samples = (FRAMES - 1) * HOP
    batches = Batches(pool, recipe.batch, samples, recipe.seed, Augmentation(), backing_mix=backing_mix)
    losses: list[float] = []
    last_save = last_validation = progress.seconds
    with closing(prefetch(batches, OBJECTIVE, run.device, progress.steps)) as targets:
        while (share := recipe.share(progress)) < 1:
            began = time.monotonic()
            losses.append(run.step(next(targets), rate(share, recipe.learning_rate)))
            progress.steps = run.steps
            progress.seconds += time.monotonic() - began
            ended = recipe.share(progress) >= 1
            if progress.steps % REFRESH_STEPS == 0:
                batches.refresh()
            if ended or progress.seconds - last_save > CHECKPOINT_S:
                last_save = progress.seconds
                save(run, recipe, progress, checkpoint)
            if ended or progress.seconds - last_validation > VALIDATE_S:
                last_validation = progress.seconds
                line = {
                    "steps": progress.steps,
                    "minutes": round(progress.seconds / 60, 1),
                    "share": round(share, 3),
                    "songs": len(pool.songs),
                    "loss": round(fmean(losses), 4),
                    "sdr_db": validation.scores(run.average.network, run.device),
                }
                losses.clear()
                with (recipe.out / "log.jsonl").open("a") as log:
                    log.write(json.dumps(line) + "\n")
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()
    return checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m unbraid.training.train", description=__doc__)
    parser.add_argument("--songs", type=Path, required=True, help="folder of songs, from `training.songs`")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and the log")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--hours", type=float)
    length.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=Recipe.batch)
    parser.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--device", default=Recipe.device, help="auto, cpu, cuda, mps")
    parser.add_argument(
        "--backings", type=Path, help="folder of music without vocals, from `training.backings`"
    )
    parser.add_argument(
        "--voices", type=Path, help="folder of more voices for the backings, from `training.takes`"
    )
    parser.add_argument(
        "--start-from", type=Path, help="checkpoint whose averaged weights the run starts with"
    )
    train(Recipe(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
