"""What the parts of a segment of HTDemucs cost the native engine, by its own clock, and a table beside OpenVINO's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from speed_operations import one_segment, parts
from unbraid.models import Model
from unbraid.native.htdemucs import NativeHTDemucs, Workspace
from unbraid.native.library import STAGES
from unbraid.separation.network import Network
from unbraid.separation.runtimes.choose import RuntimeLoader

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NativeParts:
    """One segment."""

    seconds: dict[str, float]
    """By part, of one of the segments computed side by side."""
    gflop: dict[str, float]
    wall_s: float
    """Of one segment, side by side with others, transforms around the network included."""
    at_once: int


def native_parts(
    model: Model, *, jobs: int | None = None, threads: int | None = None, runs: int = 3
) -> NativeParts:
    """One segment of noise through `model`, which the native engine computes here."""
    noise = 0.3 * np.random.default_rng(0).standard_normal((model.channels, model.segment), dtype=np.float32)
    sources = range(len(model.sources))
    with clocks() as taken:
        network = Network(model, model.segment, RuntimeLoader(model, "cpu", threads=threads, jobs=jobs).load)
        with ThreadPoolExecutor(network.jobs) as pool:

            def compute() -> None:
                list(pool.map(lambda _: network.estimate(noise, sources), range(network.jobs)))

            compute()  # the first is slower
            taken.clear()
            started = time.perf_counter()
            for _ in range(runs):
                compute()
            wall_s = (time.perf_counter() - started) / runs / network.jobs
    seconds = dict(zip(STAGES, map(float, np.mean(taken, axis=0)), strict=True))
    gflop = {part: value / 1e9 for part, value in parts(one_segment(model)).items()}
    return NativeParts(seconds, gflop, wall_s, network.jobs)


@contextmanager
def clocks() -> Iterator[list[NDArray[np.float64]]]:
    """Yields the seconds by part of each segment that the native engine computes meanwhile."""
    taken: list[NDArray[np.float64]] = []
    plain = NativeHTDemucs.run

    def timed(network: NativeHTDemucs, mixture: Floats, spectrum: Floats, workspace: Workspace) -> None:
        seconds = np.zeros(len(STAGES))
        plain(network, mixture, spectrum, workspace, seconds)
        taken.append(seconds)

    with mock.patch.object(NativeHTDemucs, "run", timed):
        yield taken


def beside(native: NativeParts, openvino: Mapping[str, float]) -> list[str]:
    """The table: a line for each part in the order of the work; `openvino`: seconds by part."""
    whole, whole_there = sum(native.seconds.values()), sum(openvino.values())
    gflop = sum(native.gflop.values())
    table = [
        f"native engine, one segment of {native.at_once} at once: {native.wall_s:.3f} s for each, all in all",
        f"{'':20}{'':>9}{'native':>9}{'':>16}{'OpenVINO':>9}",
        f"{'part':20}{'GFLOP':>9}{'ms':>9}{'%':>7}{'G/s':>9}{'ms':>9}{'%':>7}{'G/s':>9}",
    ]

    def cells(work: float, seconds: float, all_s: float) -> str:
        rate = f"{work / seconds:9.0f}" if work and seconds else f"{'':9}"
        return f"{1e3 * seconds:9.1f}{100 * seconds / all_s:7.1f}{rate}"

    for part in [*native.seconds, *(part for part in openvino if part not in native.seconds)]:
        work = native.gflop.get(part, 0.0)
        shown = f"{work:9.2f}" if work else f"{'':9}"
        here, there = native.seconds.get(part, 0.0), openvino.get(part, 0.0)
        table.append(f"{part:20}{shown}{cells(work, here, whole)}{cells(work, there, whole_there)}")
    table.append(
        f"{'all':20}{gflop:9.2f}{cells(gflop, whole, whole)}{cells(gflop, whole_there, whole_there)}"
    )
    return table
