"""Measure the parts of a segment of HTDemucs in the native engine, and compare them with OpenVINO's."""

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
    """Times and operations of one segment."""

    seconds: dict[str, float]
    """Seconds of each part, for one of the segments that are computed in parallel."""
    gflop: dict[str, float]
    wall_s: float
    """Wall time for one segment with its transforms, while others are computed in parallel."""
    at_once: int


def native_parts(
    model: Model, *, jobs: int | None = None, threads: int | None = None, runs: int = 3
) -> NativeParts:
    """Measure one segment of noise. The native engine must be able to compute `model` on this processor."""
    noise = 0.3 * np.random.default_rng(0).standard_normal((model.channels, model.segment), dtype=np.float32)
    sources = range(len(model.sources))
    with clocks() as taken:
        network = Network(model, model.segment, RuntimeLoader(model, "cpu", threads=threads, jobs=jobs).load)
        with ThreadPoolExecutor(network.jobs) as pool:

            def compute() -> None:
                list(pool.map(lambda _: network.estimate(noise, sources), range(network.jobs)))

            compute()  # the first run is slower
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
    """Record the seconds of each part for every segment that the native engine computes in this context."""
    taken: list[NDArray[np.float64]] = []
    original = NativeHTDemucs.run

    def timed(network: NativeHTDemucs, mixture: Floats, spectrum: Floats, workspace: Workspace) -> None:
        seconds = np.zeros(len(STAGES))
        original(network, mixture, spectrum, workspace, seconds)
        taken.append(seconds)

    with mock.patch.object(NativeHTDemucs, "run", timed):
        yield taken


def comparison(native: NativeParts, openvino: Mapping[str, float]) -> list[str]:
    """Return a table with a line for each part, in the order of computation. `openvino`: seconds of each part."""
    native_s, openvino_s = sum(native.seconds.values()), sum(openvino.values())
    gflop = sum(native.gflop.values())
    table = [
        f"native engine, one segment of {native.at_once} in parallel: {native.wall_s:.3f} s for each, in total",
        f"{'':20}{'':>9}{'native':>9}{'':>16}{'OpenVINO':>9}",
        f"{'part':20}{'GFLOP':>9}{'ms':>9}{'%':>7}{'G/s':>9}{'ms':>9}{'%':>7}{'G/s':>9}",
    ]

    def cells(work: float, seconds: float, all_s: float) -> str:
        rate = f"{work / seconds:9.0f}" if work and seconds else f"{'':9}"
        return f"{1e3 * seconds:9.1f}{100 * seconds / all_s:7.1f}{rate}"

    for part in [*native.seconds, *(part for part in openvino if part not in native.seconds)]:
        work = native.gflop.get(part, 0.0)
        gflop_cell = f"{work:9.2f}" if work else f"{'':9}"
        ours, theirs = native.seconds.get(part, 0.0), openvino.get(part, 0.0)
        table.append(f"{part:20}{gflop_cell}{cells(work, ours, native_s)}{cells(work, theirs, openvino_s)}")
    table.append(
        f"{'all':20}{gflop:9.2f}{cells(gflop, native_s, native_s)}{cells(gflop, openvino_s, openvino_s)}"
    )
    return table
