"""A training run of one network: optimiser steps, the averaged network, and a state from which it continues.

Batches depend only on the seed and their number, and the learning rate only on the share of the run. So a run that
continues from its saved state has the same weights in the end as one that was never stopped, on the same machine.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from unbraid.networks.checkpoint import Average, learnt_state
from unbraid.training.dataset import Batches
from unbraid.training.mixtures import Remix
from unbraid.training.objective import Objective

GRADIENT_NORM = 5.0
SMALLEST_RMS = 1e-3  # of a tensor, for its learning rate: biases may be 0


def choose_device(name: str) -> torch.device:
    """Return the device of that name; `auto`: a graphics card if PyTorch finds one."""
    return torch.device(name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


def batch_of_step(batches: Batches, objective: Objective, device: torch.device, step: int) -> Iterator[Any]:
    """Yield the mixtures of the steps from `step` to the end of its draw. They depend on nothing else."""
    number, done = divmod(step, objective.per_draw)
    batch = batches.draw(number)
    stems = objective.stems(torch.from_numpy(batch.stems).to(device), batch.backed)
    rng = batches.remix_rng(number)
    for position in range(objective.per_draw):
        remix = Remix.random(batch.backed, batch.stems.shape[1], rng) if position else None
        if position >= done:
            yield stems.mix(remix)


def prefetch(
    batches: Batches, objective: Objective, device: torch.device, first_step: int = 0, depth: int = 3
) -> Generator[Any]:
    """Yield the mixtures of each step from `first_step` on. A background thread makes them; its errors are raised here.

    Closing the iterator ends the thread.
    """
    ready: queue.Queue[Any] = queue.Queue(depth)
    closed = threading.Event()

    def put(item: Any) -> None:
        while not closed.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=0.2)
                return

    def produce() -> None:
        step = first_step
        torch.set_num_threads(1)  # of this thread; two teams of threads would wait for each other
        try:
            while not closed.is_set():
                for target in batch_of_step(batches, objective, device, step):
                    put(target)
                    step += 1
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        closed.set()
        thread.join()


def _rms(parameter: nn.Parameter) -> float:
    """Root mean square of a tensor, but at least SMALLEST_RMS.

    Adam moves each weight by about the learning rate, whatever its size. Weights before a normalisation can be very
    small: those in the bottom of `lite` have 0.002. In training, the normalisation corrects that, but not with fixed
    statistics. Shazeer and Stern, "Adafactor" (arXiv 1804.04235), scale steps like this.
    """
    return max(SMALLEST_RMS, float(parameter.detach().square().mean().sqrt()))


class Run:
    """Network, averaged network, optimiser and the number of steps.

    `stem_weights`: of the stems in the loss. `bfloat16`: compute the network in mixed precision.
    `relative`: learning rates are for weights with a root mean square of 1, and smaller for smaller weights.
    `sizes`: the root mean square that new weights will have, by the names of their parameters.
    The caller decides with `network.train()` or `.eval()` whether batch statistics are learnt, and with
    `requires_grad` which layers.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        device: torch.device,
        *,
        learning_rate: float,
        weight_decay: float,
        stem_weights: Sequence[float],
        decay: float = 0.999,
        bfloat16: bool = True,
        relative: bool = False,
        sizes: Mapping[str, float] | None = None,
    ) -> None:
        self.objective, self.device, self.bfloat16 = objective, device, bfloat16
        self.stem_weights = tuple(stem_weights)
        # convolutions are fastest in channels_last, especially with bfloat16
        self.network: nn.Module = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(self.network, decay)
        learnt = {name: one for name, one in self.network.named_parameters() if one.requires_grad}
        self.learnt = list(learnt.values())
        groups = [
            {"params": [one], "scale": max(_rms(one), (sizes or {}).get(name, 0.0)) if relative else 1.0}
            for name, one in learnt.items()
        ]
        # Short runs need a shorter memory of the squared gradients.
        betas = (0.9, 0.99 if relative else 0.999)
        self.optimizer = torch.optim.AdamW(groups, learning_rate, betas, weight_decay=weight_decay)
        self.steps = 0

    def step(self, target: Any, learning_rate: float) -> float:
        """Train on one batch of the objective and return its loss. Skip the update if the loss is not finite."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["scale"]
        loss = self.objective.loss(self.network, target, self.stem_weights, self.bfloat16)
        if torch.isfinite(loss):
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.learnt, GRADIENT_NORM)
            self.optimizer.step()
            self.average.update(self.network)
        self.steps += 1
        return loss.item()

    def state(self) -> dict[str, Any]:
        """Return everything that the run needs to continue, without parameters that don't learn."""
        return {
            "network": learnt_state(self.network, self.average.frozen),
            "average": learnt_state(self.average.network, self.average.frozen),
            "updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
            "steps": self.steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a `state`."""
        for network, kept in ((self.network, state["network"]), (self.average.network, state["average"])):
            network.load_state_dict({**network.state_dict(), **kept})
        self.average.updates = state["updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps = state["steps"]
