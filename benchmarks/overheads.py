"""Measure the cost of separating besides the network: CPU time of each stage per minute of music.

    python benchmarks/overheads.py SONG [--model lite|htdemucs] [--repo DIR] [--stems vocals] [--runs 3]

Separates the song, from file to files, with a fake network that returns constants without computing. (The native
library and OpenVINO have the same input and output arrays.) The time of a stage is the CPU time of its thread, without
the stages that it calls. The shortest time of the runs counts. `in total` is the CPU time of the process. Page faults
count newly used memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from unbraid import Separator
from unbraid.audio.arrays import Floats
from unbraid.audio.decode import Decoder
from unbraid.audio.encode import Encoder
from unbraid.audio.resample import Resampler
from unbraid.models import Model
from unbraid.models.folder import MIXTURE, SPECTRA, SPECTRUM, WAVEFORMS
from unbraid.separation.overlap import MixtureBuffer, OverlapAdd
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.spectral import Spectral
from unbraid.separation.stems import StemChoice
from unbraid.separation.writers import RescalingWriter

STAGES: dict[str, list[tuple[type, str]]] = {
    "opening the song": [(Decoder, "__init__")],
    "decoding, twice": [(Decoder, "_blocks")],
    "resampling": [(Resampler, "push")],
    "cutting": [(MixtureBuffer, "read")],
    "transform": [(Spectral, "forward")],
    "inverse": [(Spectral, "add_inverse"), (Spectral, "inverse")],
    "overlap-add": [(OverlapAdd, "add"), (OverlapAdd, "take")],
    "complement": [(StemChoice, "finish")],
    "spool": [(RescalingWriter, "write"), (RescalingWriter, "_spooled")],
    "encoding": [(Encoder, "__init__"), (Encoder, "write"), (Encoder, "close")],
}


class ConstantRuntime:
    """A fake runtime that returns constant arrays without computing."""

    any_length = False
    jobs = 1

    def __init__(self, model: Model, shapes: Mapping[str, Sequence[int]]) -> None:
        self.inputs = frozenset(shapes)
        self.outputs = frozenset(model.outputs)
        sources, (_, channels, samples) = len(model.sources), shapes.get(MIXTURE, (1, model.channels, 0))
        self._shapes = {WAVEFORMS: (1, sources, channels, samples)}
        if SPECTRUM in shapes:
            self._shapes[SPECTRA] = (1, sources, *shapes[SPECTRUM][1:])
        self._idle: SimpleQueue[dict[str, Floats]] = SimpleQueue()

    @contextmanager
    def run(self, inputs: Mapping[str, Floats]) -> Iterator[Mapping[str, Floats]]:
        """See `Runtime.run`."""
        try:
            answer = self._idle.get_nowait()
        except Empty:
            answer = {name: np.full(self._shapes[name], 1e-3, np.float32) for name in self.outputs}
        yield answer
        self._idle.put(answer)


class Clock:
    """CPU time of each stage, without the stages that it calls."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._thread = threading.local()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        inner = getattr(self._thread, "inner", 0.0)
        self._thread.inner = 0.0
        started = time.thread_time()
        try:
            yield
        finally:
            total = time.thread_time() - started
            self.seconds[name] += total - self._thread.inner
            self._thread.inner = inner + total

    def watch(self, owner: type, method: str, name: str) -> None:
        """Measure the calls of a method. If it returns an iterator, measure each of its steps."""
        original = getattr(owner, method)

        @wraps(original)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.stage(name):
                result = original(*arguments, **named)
            return self._steps(result, name) if isinstance(result, Iterator) else result

        setattr(owner, method, timed)

    def _steps(self, generator: Iterator[Any], name: str) -> Iterator[Any]:
        while True:
            with self.stage(name):
                step = next(generator, None)
            if step is None:
                return
            yield step


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("--model", default="lite")
    parser.add_argument("--repo", type=Path)
    parser.add_argument("--stems", default="vocals")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    RuntimeLoader.load = lambda self, model, shapes, **more: ConstantRuntime(model, shapes)  # type: ignore[assignment,method-assign]
    separator = Separator(options.model, repo=options.repo)
    clock = Clock()
    for name, methods in STAGES.items():
        for owner, method in methods:
            if hasattr(owner, method):
                clock.watch(owner, method, name)

    def separate() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return separator.separate_to_files(options.song, folder, stems=options.stems).duration_s

    show(*measure(clock, separate, options.runs))


def measure(clock: Clock, separate: Callable[[], float], runs: int) -> tuple[Mapping[str, float], float, int]:
    """Return the shortest seconds of each stage, the seconds of the song, and the page faults of the last run."""
    shortest: dict[str, float] = {}
    for _ in range(runs):
        clock.seconds.clear()
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time()
        song_s = separate()
        taken = {**clock.seconds, "in total": time.process_time() - started}
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        shortest = {name: min(taken[name], shortest.get(name, taken[name])) for name in taken}
    return shortest, song_s, faults


def show(stages: Mapping[str, float], song_s: float, faults: int) -> None:
    rest = stages["in total"] - sum(seconds for name, seconds in stages.items() if name != "in total")
    print(f"{'':20}{'ms of CPU per minute of music':>34}")
    for name in (*STAGES, "everything else", "in total"):
        seconds = rest if name == "everything else" else stages.get(name, 0.0)
        print(f"{name:20}{1e3 * seconds * 60 / song_s:34.1f}")
    print(f"{faults * 60 / song_s:.0f} page faults per minute of music in the last run")


if __name__ == "__main__":
    main()
