"""The estimates of a model for a whole song, at the model's rate: of one network, or of the networks of a bag.

The networks of a bag run one after another, because several don't fit into memory. The sums of their estimates are kept
on disk. A network that reads the rest gets the song without the estimates of the networks before it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.separation.network import NetworkCache
from unbraid.separation.overlap import Window
from unbraid.separation.settings import Part
from unbraid.separation.silence import silence_level
from unbraid.separation.song import STEREO, Moments, Normalisation
from unbraid.separation.stream import stream_estimates
from unbraid.separation.sums import Sums


@dataclass(frozen=True, slots=True)
class Step:
    """A network of a model, and the sources that it has to estimate."""

    part: Part
    sources: tuple[str, ...]

    @property
    def weights(self) -> Floats:
        """Weights of the sources, (sources, 1, 1)."""
        return np.array([self.part.weights[source] for source in self.sources], np.float32)[:, None, None]


def plan_steps(parts: Sequence[Part], sources: Sequence[str]) -> list[Step]:
    """Return the networks that are needed for `sources`, in order.

    A network that reads the rest needs all estimates of the networks before it.
    """
    steps: list[Step] = []
    all_sources = False
    for part in reversed(parts):
        wanted = (source for source, weight in part.weights.items() if weight)
        if chosen := tuple(source for source in wanted if all_sources or source in sources):
            steps.append(Step(part, chosen))
            all_sources = all_sources or part.reads_rest
    return steps[::-1]


@dataclass(frozen=True, slots=True)
class Estimates:
    """The computation of a model's estimates."""

    networks: NetworkCache
    song: Callable[[], Iterator[Floats]]
    """Reads the song again from its start: blocks (2, n) at the model's rate."""
    samples: int
    """Length of the song at the model's rate."""
    normalisation: Normalisation
    """Of the whole song."""
    sums: Path | None
    """File for the sums of several networks; None to keep them in memory."""
    check: Callable[[], None]
    """Called before every segment; may raise to stop the work."""
    report: Callable[[int, float], None]
    """Called with the number of the step and the fraction of the song that it has processed, except for the last."""
    window: Window | None = None
    """Part of the whole song to estimate, if `song` reads only a part of it."""

    def stream(
        self, steps: Sequence[Step], sources: Sequence[str], song: Iterator[Floats]
    ) -> Generator[Floats]:
        """Yield the estimates of `sources`, blocks (sources, 2, n). The last step reads `song`."""
        if len(steps) == 1:
            yield from self._run(steps[0].part, sources, song, self.normalisation)
            return
        names = tuple(dict.fromkeys(source for step in steps for source in step.sources))
        with Sums(self.sums, len(names), STEREO, self.samples) as sums:
            means = _Means(sums, names)
            for number, step in enumerate(steps):
                last = number == len(steps) - 1
                done = 0
                with closing(self._run_step(step, song if last else self.song(), means)) as stream:
                    means.begin(step)
                    for block in stream:
                        means.add(step, done, block)
                        until = done + block.shape[-1]
                        if last:
                            yield np.stack([means.read(source, done, block.shape[-1]) for source in sources])
                        else:
                            self.report(number, until / self.samples)
                        done = until

    def _run_step(self, step: Step, song: Iterator[Floats], means: _Means) -> Generator[Floats]:
        """Yield the estimates of a step, blocks (sources, 2, n)."""
        part = step.part
        if not part.reads_rest:
            return self._run(part, step.sources, song, self.normalisation)
        statistics = Moments()
        if part.model.normalise:
            for block in means.rest(self.song()):
                self.check()
                statistics.add(block.mean(axis=0))
        return self._run(part, step.sources, means.rest(song), statistics.normalisation)

    def _run(
        self, part: Part, sources: Sequence[str], song: Iterator[Floats], normalisation: Normalisation
    ) -> Generator[Floats]:
        """Yield the estimates of one network: blocks (sources, 2, n)."""
        self.check()
        network = self.networks.get(part.model)
        applied = normalisation.of(part.model)
        # The deviation is known only if the model normalises.
        silence = silence_level(applied.deviation) if part.model.normalise else 0.0
        if any(run.chunks != "own" for run in part.runs):
            silence = -1.0  # audio-separator computes silence too
        with closing(
            stream_estimates(
                map(applied.to_network, song),
                self.samples,
                network,
                part.runs,
                [part.model.estimated.index(source) for source in sources],
                silence=silence,
                jobs=network.jobs,
                check=self.check,
                window=self.window,
            )
        ) as stream:
            for estimate in stream:
                yield applied.from_network(estimate)


class _Means:
    """Weighted means of the estimates of several networks, over a file of sums."""

    def __init__(self, sums: Sums, names: Sequence[str]) -> None:
        self._sums = sums
        self._rows = {name: row for row, name in enumerate(names)}
        self._weights = dict.fromkeys(names, 0.0)

    def begin(self, step: Step) -> None:
        """Count the weights of a step, whose estimates are added from now on."""
        for source in step.sources:
            self._weights[source] += step.part.weights[source]

    def add(self, step: Step, start: int, estimates: Floats) -> None:
        """Add the estimates (sources, 2, n) of a step, from sample `start` on."""
        self._sums.add(start, [self._rows[source] for source in step.sources], estimates * step.weights)

    def read(self, source: str, start: int, samples: int) -> Floats:
        """Return the mean (2, samples) of a source, from sample `start` on."""
        return self._sums.read(start, samples, self._rows[source]) / np.float32(self._weights[source])

    def rest(self, song: Iterable[Floats]) -> Iterator[Floats]:
        """Return the song, blocks (2, n), without the means of all steps so far.

        A later step may add to the same sources, because it adds a sample only after it has read it.
        """
        weights = {source: np.float32(weight) for source, weight in self._weights.items() if weight}

        def blocks() -> Iterator[Floats]:
            start = 0
            for block in song:
                rest = block.copy()
                for source, weight in weights.items():
                    rest -= self._sums.read(start, block.shape[1], self._rows[source]) / weight
                start += block.shape[1]
                yield rest

        return blocks()
