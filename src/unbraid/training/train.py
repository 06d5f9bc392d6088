"""Train the bundled network: `python -m unbraid.training.train --songs DIR --out DIR --hours 2`.

Stops when the hours are used up and goes on from its last checkpoint when called again. The learning rate
follows the share of the hours used (a short rise, then a cosine to zero), so one command serves a laptop and
a GPU.
"""

import argparse
import json
import math
import queue
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from unbraid.networks.lite import HOP, Lite, LiteConfig
from unbraid.training.augment import Augmentation, shuffled
from unbraid.training.checkpoint import Average, load, save
from unbraid.training.dataset import Batches, SongPool
from unbraid.training.losses import Target, spectra, spectrum_loss, waveform_loss
from unbraid.training.validate import Validation

FRAMES = 128  # of a training crop: (128 - 1) * 1024 / 44100 = 2.95 s
WARM_UP = 0.02  # share of the hours
CHECKPOINT_S = 240.0
VALIDATE_S = 600.0
REFRESH_STEPS = 25  # songs may still be in the making
SHUFFLES = 3  # further batches made of the same stems: reading and transforming them costs more than a step
WAVEFORM_WEIGHT = 0.25


@dataclass(frozen=True)
class Recipe:
    """All that decides what comes out of a run."""

    songs: Path
    out: Path
    hours: float
    batch: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    seed: int = 0
    device: str = "auto"
    start_from: Path | None = None
    config: LiteConfig = field(default_factory=LiteConfig)


def rate(share: float, peak: float) -> float:
    """Learning rate when `share` (0 to 1) of the time is used."""
    if share < WARM_UP:
        return peak * max(share / WARM_UP, 0.02)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARM_UP) / (1 - WARM_UP))))


def prefetch(batches: Batches, device: torch.device, depth: int = 3) -> Iterator[Target]:
    """Targets made by a thread of their own, while the network computes; its errors are raised here."""
    ready: queue.Queue[Target | BaseException] = queue.Queue(depth)

    def produce() -> None:
        try:
            while True:
                stems = torch.from_numpy(batches.draw()).to(device)
                spectrum = spectra(stems)
                ready.put(Target(stems, spectrum))
                for _ in range(SHUFFLES):
                    ready.put(Target(*shuffled(stems, spectrum, batches.rng)))
        except BaseException as error:
            ready.put(error)

    threading.Thread(target=produce, daemon=True).start()
    while True:
        item = ready.get()
        if isinstance(item, BaseException):
            raise item
        yield item


def train(recipe: Recipe) -> Path:
    """Run the recipe; returns the checkpoint's path. Scores go to `log.jsonl` beside it."""
    recipe.out.mkdir(parents=True, exist_ok=True)
    checkpoint = recipe.out / "checkpoint.pt"
    name = recipe.device if recipe.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    torch.manual_seed(recipe.seed)
    network = Lite(recipe.config)
    state = {"steps": 0, "seconds": 0.0, "pass": 0}
    content = load(checkpoint) if checkpoint.exists() else None
    if content:
        network.load_state_dict(content["network"])
        state = content["state"]
        state["pass"] += 1
    elif recipe.start_from:
        network.load_state_dict(load(recipe.start_from)["average"])
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Average(network)
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    if content:
        average.network.load_state_dict(content["average"])
        average.updates = content["updates"]
        optimizer.load_state_dict(content["optimizer"])

    pool = SongPool(recipe.songs, "train")
    seed = recipe.seed + 1000 * int(state["pass"])  # a resumed run draws new mixtures
    batches = Batches(pool, recipe.batch, (FRAMES - 1) * HOP, seed, Augmentation())
    validation: Validation | None = None
    targets = prefetch(batches, device)
    budget = recipe.hours * 3600
    loss_sum, loss_count = 0.0, 0
    last_save = last_validation = state["seconds"]
    network.train()
    while state["seconds"] < budget:
        began = time.monotonic()
        learning_rate = rate(state["seconds"] / budget, recipe.learning_rate)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        target = next(targets)
        with torch.autocast(device.type, torch.bfloat16):
            masks = network.pooled_masks(target.spectrum)
        masks = masks.float()
        loss = spectrum_loss(masks, target) + WAVEFORM_WEIGHT * waveform_loss(masks, target, items=1)
        if torch.isfinite(loss):
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            average.update(network)
            loss_sum, loss_count = loss_sum + loss.item(), loss_count + 1
        state["steps"] += 1
        state["seconds"] += time.monotonic() - began
        ended = state["seconds"] >= budget
        if state["steps"] % REFRESH_STEPS == 0:
            pool.refresh()
        if state["seconds"] - last_validation > VALIDATE_S or ended:
            last_validation = state["seconds"]
            validation = validation or Validation(SongPool(recipe.songs, "test"))
            scores = validation.scores(average.network, device)
            line = {
                "steps": state["steps"],
                "minutes": round(state["seconds"] / 60, 1),
                "learning_rate": learning_rate,
                "loss": round(loss_sum / max(1, loss_count), 4),
                "songs": len(pool.songs),
                "sdr_db": scores,
            }
            with (recipe.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
            loss_sum, loss_count = 0.0, 0
        if state["seconds"] - last_save > CHECKPOINT_S or ended:
            last_save = state["seconds"]
            save(checkpoint, network, average, optimizer, state)
    return checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m unbraid.training.train", description=__doc__)
    parser.add_argument("--songs", type=Path, required=True, help="folder made by unbraid.training.songs")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and the log")
    parser.add_argument("--hours", type=float, required=True)
    parser.add_argument("--batch", type=int, default=Recipe.batch)
    parser.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--device", default=Recipe.device, help="auto, cpu, cuda, mps")
    parser.add_argument("--start-from", type=Path, help="a checkpoint whose averaged weights to begin with")
    train(Recipe(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
