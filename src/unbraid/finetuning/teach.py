"""Train the network of a plan, and keep the best weights. Needs PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unbraid.cores import usable_cores
from unbraid.finetuning.material import Stored, Tracks, in_order, shares
from unbraid.finetuning.plan import DROPS, LONGEST_UNTIL_BEST, PATIENCE, Plan
from unbraid.finetuning.rehearsal import clips
from unbraid.finetuning.scoring import Scoring
from unbraid.finetuning.student import Student
from unbraid.finetuning.targets import summed
from unbraid.networks.checkpoint import frozen_names, learnt_state, load, write
from unbraid.training.dataset import Audio, Batches, StemPool
from unbraid.training.run import Run, choose_device, prefetch

CHECKPOINT = "checkpoint.pt"
CHECKPOINT_S = 120.0
FRAMES = 128  # of a crop: 3 s
SAMPLES = (FRAMES - 1) * 1024
WEIGHT_DECAY = 1e-4
AVERAGE_DECAY = 0.99  # of a mean over the last 100 steps
VOCALS_WEIGHT = 2.0
SCORES = 8  # in a planned run
FEWEST_STEPS = 20  # between two scores
UNTIL_BEST_SCORE_S = 90.0
BETTER_DB = 0.02
ONE_KNOWN_IN = 5  # clips of the rehearsal: it isn't rehearsed, but shows what is forgotten

Event = Callable[[Mapping[str, Any]], object]


class SummedPool(StemPool):
    """Songs whose stems are sums of stored stems. Of what is drawn, the share `rehearsal` comes from `others`."""

    def __init__(
        self,
        tracks: Sequence[Tracks],
        targets: Mapping[str, Sequence[str]],
        others: Sequence[Tracks] = (),
        rehearsal: float = 0.0,
    ) -> None:
        self._own, self._others, self._rehearsal = len(tracks), len(others), rehearsal
        tracks = [*tracks, *others]
        self._sums: list[list[list[Stored]]] = [in_order(tracks, parts) for parts in targets.values()]
        longest = [[max(sums[song], key=len) for sums in self._sums] for song in range(len(tracks))]
        super().__init__(longest, tuple(targets))

    def pick(self, rng: np.random.Generator) -> int:
        """Draw the number of a song."""
        if self._others and rng.random() < self._rehearsal:
            return self._own + int(rng.integers(self._others))
        return int(rng.integers(self._own))

    def crop(self, song: int, source: int, start: int, samples: int) -> Audio:
        """Return (2, samples) of one stem, padded with silence after the end of the song."""
        total = np.zeros((2, samples), np.float32)
        for stem in self._sums[source][song]:
            part = stem[start : start + samples]
            total[:, : len(part)] += part.T
        return total


@dataclass
class Progress:
    """Scores of a run so far."""

    before: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    best_value: float = 0.0
    """Mean of `best`, less what other songs lost."""
    best_step: int = 0
    waited: int = 0
    """Scores since the best one, or since the learning rate fell."""
    known_before: float | None = None
    """Mean SDR of the clips that aren't rehearsed."""
    drops: int = 0
    seconds: float = 0.0
    curve: list[dict[str, Any]] = field(default_factory=list)


class Teacher:
    """A run of a plan in `folder`, which holds its checkpoint."""

    def __init__(
        self,
        plan: Plan,
        student: Student,
        learnt: Sequence[Tracks],
        held_out: Sequence[Tracks],
        folder: Path,
        event: Event,
    ) -> None:
        targets = plan.targets
        student = replace(student, objective=student.objective.for_shares(shares(learnt, targets)))
        self.plan, self.student, self.folder, self.event = plan, student, folder, event
        self.device = choose_device(plan.device)
        self.scoring = Scoring([summed(song.multitrack(), targets) for song in held_out], student.objective)
        others = clips() if student.rehearsal else []
        known = [summed(clip.multitrack(), targets) for clip in others[::ONE_KNOWN_IN]]
        self.known = Scoring(known, student.objective) if known else None
        del others[::ONE_KNOWN_IN]
        self.batches = Batches(
            SummedPool(learnt, targets, others, student.rehearsal),
            student.batch,
            student.samples or SAMPLES,
            plan.seed,
            student.variation.augmentation,
            remixed=student.variation.remixed if len(learnt) > 1 else min(0.3, student.variation.remixed),
            deviation=student.objective.deviation,
        )
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self.start: dict[str, Tensor] = {}
        if student.share < 1:
            self.start = {name: value.clone() for name, value in student.network.state_dict().items()}
        student.network.eval()  # batch statistics stay: little material has others by chance
        for name, parameter in student.network.named_parameters():
            learns = not student.fixed(name) and (not plan.late_only or student.late(name))
            parameter.requires_grad_(learns)

    def _run(self, *, bfloat16: bool) -> Run:
        """Start a run on the student's network."""
        return Run(
            self.student.network,
            self.student.objective,
            self.device,
            learning_rate=self.student.learning_rate,
            weight_decay=WEIGHT_DECAY,
            stem_weights=[VOCALS_WEIGHT if name == "vocals" else 1.0 for name in self.plan.targets],
            decay=AVERAGE_DECAY,
            bfloat16=bfloat16,
            relative=self.student.relative,
            sizes=self.student.sizes,
        )

    def measure(self) -> Plan:
        """Return the plan with precision, threads and number of steps. The network stays as it is."""
        threads = usable_cores()
        torch.set_num_threads(threads)
        network = self.student.network
        state = {name: value.clone() for name, value in learnt_state(network, frozen_names(network)).items()}
        speeds = {bfloat16: self._step_s(bfloat16) for bfloat16 in (True, False)}
        network.load_state_dict({**network.state_dict(), **state})
        bfloat16 = speeds[True] < speeds[False]
        began = time.monotonic()
        for scoring in filter(None, (self.scoring, self.known)):
            scoring.scores(network, self.device)
        score_s = time.monotonic() - began
        step_s = speeds[bfloat16]
        plan = replace(self.plan, bfloat16=bfloat16, threads=threads)
        if plan.until_best:
            return replace(
                plan,
                steps=LONGEST_UNTIL_BEST,
                score_steps=max(FEWEST_STEPS, round(UNTIL_BEST_SCORE_S / step_s)),
            )
        if plan.minutes is None:
            return replace(plan, score_steps=max(FEWEST_STEPS, plan.steps // SCORES))
        fewest = 2 * self.student.objective.per_draw
        steps = max(fewest, int((60 * plan.minutes - (SCORES + 1) * score_s) / step_s))
        return replace(plan, steps=steps, score_steps=max(FEWEST_STEPS, steps // SCORES))

    def _step_s(self, bfloat16: bool) -> float:
        """Return the seconds of a step, also of making its batch."""
        run = self._run(bfloat16=bfloat16)
        with closing(prefetch(self.batches, self.student.objective, self.device)) as targets:
            run.step(next(targets), 0.0)
            began, steps = time.monotonic(), max(2, self.student.objective.per_draw // 2)
            for _ in range(steps):
                run.step(next(targets), 0.0)
            return (time.monotonic() - began) / steps

    def teach(self) -> dict[str, Tensor]:
        """Train to the end of the plan, from the checkpoint if there is one. Return the best weights.

        KeyboardInterrupt leaves a checkpoint.
        """
        torch.set_num_threads(self.plan.threads)
        torch.manual_seed(self.plan.seed)
        run = self._run(bfloat16=self.plan.bfloat16)
        if (self.folder / CHECKPOINT).exists():
            self._restore(run)
        else:
            self.progress.before = self.scoring.scores(run.network, self.device)
            self._note(run, self.progress.before)
        last_save = time.monotonic()
        with closing(prefetch(self.batches, self.student.objective, self.device, run.steps)) as targets:
            while not self._ended(run):
                began = time.monotonic()
                rate = self.plan.rate(run.steps, self.student.learning_rate, self.progress.drops)
                loss = run.step(next(targets), rate)
                is_scored = run.steps % self.plan.score_steps == 0 or run.steps == self.plan.steps
                scores = self.scoring.scores(run.average.network, self.device) if is_scored else None
                self.progress.seconds += time.monotonic() - began  # an event may pause the run
                if scores is not None:
                    self._note(run, scores)
                elif run.steps % 5 == 0:
                    self._tell(run, loss)
                if time.monotonic() - last_save > CHECKPOINT_S:
                    self._save(run)
                    last_save = time.monotonic()
        self._save(run)
        return self._blended({**run.network.state_dict(), **self.best})

    def _blended(self, learnt: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean of the first and the learnt weights, by the student's share."""
        for name, value in self.start.items():
            if value.is_floating_point():
                learnt[name] = torch.lerp(value.to(learnt[name].device), learnt[name], self.student.share)
        return learnt

    def _ended(self, run: Run) -> bool:
        return run.steps >= self.plan.steps or self.progress.drops >= DROPS

    def _forgotten(self, run: Run) -> float:
        """Return the dB that the clips of other songs have lost since the start: 0 or more."""
        if self.known is None:
            return 0.0
        known = self.known.scores(run.average.network, self.device)["mean"]
        if self.progress.known_before is None:
            self.progress.known_before = known
        return max(0.0, self.progress.known_before - known)

    def _note(self, run: Run, scores: dict[str, float]) -> None:
        """Take scores into the curve, and keep the weights if they are the best so far."""
        progress = self.progress
        value = scores["mean"] - self._forgotten(run)
        best = not progress.best or value > progress.best_value + BETTER_DB * self.plan.until_best
        if best:
            progress.best, progress.best_step, progress.waited = scores, run.steps, 0
            progress.best_value = value
            self.best = {
                name: value.detach().clone()
                for name, value in learnt_state(run.average.network, run.average.frozen).items()
            }
        else:
            progress.waited += 1
        if self.plan.until_best and progress.waited >= PATIENCE:
            progress.drops, progress.waited = progress.drops + 1, 0
        point = {"steps": run.steps, "minutes": round(progress.seconds / 60, 2), "sdr_db": scores}
        progress.curve.append(point)
        self.event({"event": "score", **point, "best": best, "left_s": self._left_s(run)})

    def _tell(self, run: Run, loss: float) -> None:
        self.event(
            {
                "event": "progress",
                "steps": run.steps,
                "of": None if self.plan.until_best else self.plan.steps,
                "loss": round(loss, 4),
                "left_s": self._left_s(run),
            }
        )

    def _left_s(self, run: Run) -> float | None:
        if self.plan.until_best or not run.steps:
            return None
        return round(self.progress.seconds / run.steps * (self.plan.steps - run.steps), 1)

    def _save(self, run: Run) -> None:
        write(self.folder / CHECKPOINT, {**run.state(), "best": self.best, "progress": vars(self.progress)})

    def _restore(self, run: Run) -> None:
        content = load(self.folder / CHECKPOINT)
        run.restore(content)
        self.best = content["best"]
        self.progress = Progress(**content["progress"])
