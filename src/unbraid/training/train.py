"""Train the bundled network: `python -m unbraid.training.train --songs DIR --out DIR --hours 2`.

The run stops after the hours (or `--steps`). A new call continues from the last checkpoint. The learning rate depends
on the completed share of the run (a short warm-up, then a cosine to zero), so that one command suits laptops and
GPUs.
"""

import argparse
import json
import math
import queue
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

import torch

from unbraid.networks.checkpoint import Average, load, save
from unbraid.networks.lite import HOP, SOURCES, Lite, LiteConfig
from unbraid.training.augment import Augmentation
from unbraid.training.dataset import BackingMix, Batches, SongPool, SoundPool
from unbraid.training.losses import spectrum_loss, waveform_loss
from unbraid.training.mixtures import Remix, Stems, Target
from unbraid.training.validate import Validation

FRAMES = 128  # per training crop: (128 - 1) * 1024 / 44100 = 2.95 s
WARM_UP = 0.02  # share of the run
CHECKPOINT_S = 240.0
VALIDATE_S = 600.0
REFRESH_STEPS = 25  # look for new songs
REMIXES = 5  # more batches of mixtures from the same stems
WAVEFORM_WEIGHT = 0.25
GRADIENT_NORM = 5.0


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
    resumed: int = 0


def rate(share: float, peak: float) -> float:
    """Learning rate after `share` (0 to 1) of the run."""
    if share < WARM_UP:
        return peak * max(share / WARM_UP, 0.02)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARM_UP) / (1 - WARM_UP))))


def prefetch(batches: Batches, device: torch.device, depth: int = 3) -> Iterator[Target]:
    """Yield targets from a background thread, and raise its errors here."""
    ready: queue.Queue[Target | BaseException] = queue.Queue(depth)

    def produce() -> None:
        try:
            while True:
                batch = batches.draw()
                stems = Stems(torch.from_numpy(batch.stems).to(device), batch.backed)
                ready.put(stems.mix())
                for _ in range(REMIXES):
                    ready.put(stems.mix(Remix.random(batch.backed, len(SOURCES), batches.rng)))
        except BaseException as error:
            ready.put(error)

    threading.Thread(target=produce, daemon=True).start()
    while True:
        item = ready.get()
        if isinstance(item, BaseException):
            raise item
        yield item


class Run:
    """A training run: network, averaged network, optimizer and progress."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.checkpoint = recipe.out / "checkpoint.pt"
        name = recipe.device if recipe.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(name)
        torch.manual_seed(recipe.seed)
        network = Lite(recipe.config)
        self.progress = Progress()
        content = load(self.checkpoint) if self.checkpoint.exists() else None
        if content:
            network.load_state_dict(content["network"])
            self.progress = Progress(**content["state"])
            self.progress.resumed += 1
        elif recipe.start_from:
            network.load_state_dict(load(recipe.start_from)["average"])
        # convolutions are fastest in channels_last, especially with bfloat16
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(self.network)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        if content:
            self.average.network.load_state_dict(content["average"])
            self.average.updates = content["updates"]
            self.optimizer.load_state_dict(content["optimizer"])

    def step(self, target: Target) -> float:
        """Train on one batch and return its loss. Skip the update if the loss is not finite."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.recipe.share(self.progress), self.recipe.learning_rate)
        with torch.autocast(self.device.type, torch.bfloat16):
            masks = self.network.pooled_masks(target.spectrum)
        masks = masks.float()
        loss = spectrum_loss(masks, target) + WAVEFORM_WEIGHT * waveform_loss(masks, target, items=1)
        if torch.isfinite(loss):
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
            self.optimizer.step()
            self.average.update(self.network)
        self.progress.steps += 1
        return loss.item()

    def save(self) -> None:
        """Write the checkpoint."""
        save(self.checkpoint, self.network, self.average, self.optimizer, asdict(self.progress))


def load_sounds(folder: Path | None, split: str) -> SoundPool | None:
    """Load the sounds of a folder, if one is given."""
    return None if folder is None else SoundPool(folder, split)


def train(recipe: Recipe) -> Path:
    """Run the recipe and return the path of the checkpoint. Scores are appended to `log.jsonl` beside it."""
    recipe.out.mkdir(parents=True, exist_ok=True)
    run = Run(recipe)
    progress = run.progress
    pool = SongPool(recipe.songs, "train")
    backings, voices = recipe.backings, recipe.voices
    validation = Validation(
        SongPool(recipe.songs, "test"), load_sounds(backings, "test"), load_sounds(voices, "test")
    )
    backing_sounds = load_sounds(backings, "train")
    backing_mix = None if backing_sounds is None else BackingMix(backing_sounds, load_sounds(voices, "train"))
    seed = recipe.seed + 1000 * progress.resumed  # a resumed run draws new mixtures
    samples = (FRAMES - 1) * HOP
    batches = Batches(pool, recipe.batch, samples, seed, Augmentation(), backing_mix=backing_mix)
    targets = prefetch(batches, run.device)
    losses: list[float] = []
    last_save = last_validation = progress.seconds
    while (share := recipe.share(progress)) < 1:
        began = time.monotonic()
        losses.append(run.step(next(targets)))
        progress.seconds += time.monotonic() - began
        ended = recipe.share(progress) >= 1
        if progress.steps % REFRESH_STEPS == 0:
            batches.refresh()
        if ended or progress.seconds - last_save > CHECKPOINT_S:
            last_save = progress.seconds
            run.save()
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
    return run.checkpoint


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
