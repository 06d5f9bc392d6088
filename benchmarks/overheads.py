"""What separating costs besides the network: processor time by stage, for each minute of music.

    python benchmarks/overheads.py SONG [--model lite|htdemucs] [--repo DIR] [--stems vocals] [--runs 3]

The whole engine goes through the song, from file to files, with a network that has its answers ready, whatever would
compute it (the native library and OpenVINO are given and give the same arrays): the rest is what there is to save
beside it. Each stage's time is that of its own thread, without what it calls of the other stages, and
the least of the runs; `in all` is that of the process. Page faults show where memory is taken anew.
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
from unbraid.audio.decode import Decoder
from unbraid.audio.encode import Encoder
from unbraid.audio.resample import Resampler
from unbraid.models import Model
from unbraid.models.folder import MIXTURE, SPECTRA, SPECTRUM, WAVEFORMS
from unbraid.separation.arrays import Floats
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


class Ready:
    """A runtime that answers at once, always the same."""

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
    """Processor time of each stage, without that of the stages it calls."""

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
            whole = time.thread_time() - started
            self.seconds[name] += whole - self._thread.inner
            self._thread.inner = inner + whole

    def watch(self, owner: type, method: str, name: str) -> None:
        """Count what a method takes; of a generator what each step does."""
        plain = getattr(owner, method)

        @wraps(plain)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.stage(name):
                result = plain(*arguments, **named)
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
    RuntimeLoader.load = lambda self, model, shapes, **more: Ready(model, shapes)  # type: ignore[assignment,method-assign]
    separator = Separator(options.model, repo=options.repo)
    clock = Clock()
    for name, methods in STAGES.items():
        for owner, method in methods:
            if hasattr(owner, method):
                clock.watch(owner, method, name)

    def separate() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return separator.separate_to_files(options.song, folder, stems=options.stems).duration_s

    show(*least(clock, separate, options.runs))


def least(clock: Clock, separate: Callable[[], float], runs: int) -> tuple[Mapping[str, float], float, int]:
    """Seconds by stage, the least of the runs; seconds of the song; page faults of the last run."""
    found: dict[str, float] = {}
    for _ in range(runs):
        clock.seconds.clear()
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time()
        song_s = separate()
        taken = {**clock.seconds, "in all": time.process_time() - started}
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        found = {name: min(taken[name], found.get(name, taken[name])) for name in taken}
    return found, song_s, faults


def show(found: Mapping[str, float], song_s: float, faults: int) -> None:
    rest = found["in all"] - sum(seconds for name, seconds in found.items() if name != "in all")
    print(f"{'':20}{'ms of CPU for a minute of music':>34}")
    for name in (*STAGES, "everything else", "in all"):
        seconds = rest if name == "everything else" else found.get(name, 0.0)
        print(f"{name:20}{1e3 * seconds * 60 / song_s:34.1f}")
    print(f"{faults * 60 / song_s:.0f} page faults for a minute of music once warm")


if __name__ == "__main__":
    main()
