"""Show the time of one segment in our network by part, kind of operation, kernel, or operation.

    python benchmarks/speed_profile.py [--model htdemucs|lite|…] [--repo DIR] [--by part|kind|kernel|operation]
        [--jobs N] [--threads N] [--runs 3] [--rows 30] [--json FILE]

By part, the default if the native library computes the network, the table compares both engines: the native engine by
its own clock, and OpenVINO's operations by their names. The other tables cover only OpenVINO, with the graph that the
engine compiles, and with OpenVINO's clock for each operation (which costs little). Times are means over the runs,
without the first, slower run. If the engine computes several segments in parallel, the times are of one of them, slowed
down by the others.

GFLOP are counted as in `speed_operations.py`. If the published graph has a different sum, the last line shows it: the
engine has rewritten the graph, or OpenVINO has fused products under another name.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from engines import NATIVE, engine_of, only_openvino
from peer import SIGNATURE, make_peer
from speed_operations import count, one_segment, part_of
from speed_parts import comparison, native_parts
from unbraid.models import Model, find_model
from unbraid.separation.network import Network
from unbraid.separation.runtimes.base import Runtime
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.runtimes.openvino import import_openvino


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of the compiled graph in one run."""

    name: str
    kind: str
    kernel: str
    seconds: float
    gflop: float
    """0 for all operations except matrix products and convolutions."""
    part: str
    """Part of HTDemucs; "other" if the name is unknown."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Times and operations of one segment."""

    steps: tuple[Step, ...]
    wall_s: float
    """Wall time for one segment with its transforms, while others are computed in parallel."""
    at_once: int
    gflop: float
    """Operations of the published graph."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="htdemucs", help="htdemucs without --repo has random weights")
    parser.add_argument("--repo", type=Path)
    parser.add_argument("--by", choices=("part", "kind", "kernel", "operation"))
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--rows", type=int, default=30, help="rows of the table, longest times first (default 30)"
    )
    parser.add_argument("--json", type=Path, help="also write every operation to this file")
    options = parser.parse_args()
    if options.model == "htdemucs" and not options.repo:
        model = find_model(SIGNATURE, repo=make_peer().weights)
    else:
        model = find_model(options.model, repo=options.repo)
    native = engine_of(model) == NATIVE
    how = {"jobs": options.jobs, "threads": options.threads, "runs": options.runs}
    by = options.by or ("part" if native else "kernel")
    parts = native_parts(model, **how) if native and by == "part" else None
    profile = profile_segment(model, **how)
    if parts:
        seconds: dict[str, float] = defaultdict(float)
        for step in profile.steps:
            seconds[step.part] += step.seconds
        print(
            "\n".join([*comparison(parts, seconds), f"OpenVINO: {profile.wall_s:.3f} s a segment, in total"])
        )
    else:
        print("\n".join(["computed by OpenVINO", *lines(profile, by, options.rows)]))
    if options.json:
        report = {"date": time.strftime("%Y-%m-%d"), "model": options.model, **asdict(profile)}
        report["native"] = asdict(parts) if parts else None
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def profile_segment(
    model: Model, *, jobs: int | None = None, threads: int | None = None, runs: int = 3
) -> Profile:
    """Profile one segment of noise in OpenVINO."""
    noise = 0.3 * np.random.default_rng(0).standard_normal((model.channels, model.segment), dtype=np.float32)
    sources = range(len(model.sources))
    counted = {name: value for name, (_, value) in count(one_segment(model)).items()}
    loader = RuntimeLoader(model, "cpu", threads=threads, jobs=jobs)

    def load(model: Model, shapes: Mapping[str, Sequence[int]], **_: object) -> Runtime:
        """Compile again, because a network from the cache has no clocks."""
        return loader.load(model, shapes)

    with only_openvino(), clocks() as requests:
        network = Network(model, model.segment, load)
        with ThreadPoolExecutor(network.jobs) as pool:

            def compute() -> None:
                list(pool.map(lambda _: network.estimate(noise, sources), range(network.jobs)))

            compute()  # the first run is slower
            first = mean_seconds(requests)
            started = time.perf_counter()
            for _ in range(runs):
                compute()
            wall_s = (time.perf_counter() - started) / runs / network.jobs
            mean = mean_seconds(requests)
    profiled = steps(requests[0][0], requests[0][1], counted)
    # OpenVINO reports the mean since the graph was loaded, including the first run.
    seconds = [((1 + runs) * later - early) / runs for early, later in zip(first, mean, strict=True)]
    profiled = tuple(
        replace(step, seconds=max(0.0, value)) for step, value in zip(profiled, seconds, strict=True)
    )
    return Profile(profiled, wall_s, network.jobs, sum(counted.values()) / 1e9)


def mean_seconds(requests: Sequence[tuple[Any, Any]]) -> list[float]:
    """Return the mean seconds of every operation so far, in the stream of the first request."""
    return [info.real_time.total_seconds() for info in requests[0][1].profiling_info]


@contextmanager
def clocks() -> Iterator[list[tuple[Any, Any]]]:
    """Enable clocks in all graphs that OpenVINO compiles in this context. Yields the list of (graph, request)."""
    openvino, created = import_openvino(), list[tuple[Any, Any]]()
    compile_model, create_request = openvino.Core.compile_model, openvino.CompiledModel.create_infer_request

    def compile_with_clocks(core: Any, *args: Any, **kwargs: Any) -> Any:
        core.set_property("CPU", {"PERF_COUNT": True})
        try:
            return compile_model(core, *args, **kwargs)
        finally:
            core.set_property("CPU", {"PERF_COUNT": False})

    def create_and_keep(compiled: Any) -> Any:
        created.append((compiled, create_request(compiled)))
        return created[-1][1]

    openvino.Core.compile_model = compile_with_clocks
    openvino.CompiledModel.create_infer_request = create_and_keep
    try:
        yield created
    finally:
        openvino.Core.compile_model = compile_model
        openvino.CompiledModel.create_infer_request = create_request


def steps(compiled: Any, request: Any, counted: Mapping[str, int]) -> tuple[Step, ...]:
    """Return the operations of the last run of a request. `counted`: operations by name in the published graph."""
    nodes = {node.get_friendly_name(): node for node in compiled.get_runtime_model().get_ordered_ops()}

    def part(name: str) -> str:
        fused = nodes[name].get_rt_info() if name in nodes else {}
        if "originalLayersNames" not in fused:
            return part_of([name])
        return part_of([name, *fused["originalLayersNames"].astype(str).split(",")])

    return tuple(
        Step(
            info.node_name,
            info.node_type,
            info.exec_type,
            info.real_time.total_seconds(),
            operations(nodes[info.node_name], counted) / 1e9 if info.node_name in nodes else 0.0,
            part(info.node_name),
        )
        for info in request.profiling_info
    )


def operations(node: Any, counted: Mapping[str, int]) -> int:
    """Count the operations of a node of a compiled graph, from its shapes or from the nodes fused into it."""
    information = node.get_rt_info()
    kind = information["layerType"].astype(str)
    shapes: list[list[int]] = [list(one.get_shape()) for one in node.inputs()]
    if kind in ("FullyConnected", "MatMul"):
        out: list[int] = list(node.output(0).get_shape())
        return 2 * prod(out) * prod(shapes[0]) // prod(out[:-1])  # (rows, inner) by (inner, columns)
    if kind in ("Convolution", "Deconvolution"):
        data, kernel = shapes[:2]
        values = list(node.output(0).get_shape()) if kind == "Convolution" else data
        grouped = len(kernel) - len(data)
        return 2 * prod(values) * prod(kernel[1 + grouped :])
    if "originalLayersNames" not in information:
        return 0
    return sum(counted.get(name, 0) for name in information["originalLayersNames"].astype(str).split(","))


def total(steps: Sequence[Step]) -> float:
    """Return the seconds of all steps."""
    return sum(step.seconds for step in steps)


def lines(profile: Profile, by: str, rows: int) -> list[str]:
    """Return a table, longest times first."""
    seconds: dict[str, float] = defaultdict(float)
    gflop: dict[str, float] = defaultdict(float)
    number: dict[str, int] = defaultdict(int)
    for step in profile.steps:
        name = {
            "part": step.part,
            "kind": step.kind,
            "kernel": f"{step.kind} {step.kernel}",
            "operation": step.name,
        }[by]
        seconds[name] += step.seconds
        gflop[name] += step.gflop
        number[name] += 1
    whole, counted = total(profile.steps), sum(gflop.values())
    table = [
        f"one segment of {profile.at_once} in parallel: {1e3 * profile.wall_s:.0f} ms for each; "
        f"the network's operations {1e3 * whole:.0f} ms",
        f"{'ms':>9}{'%':>7}{'number':>8}{'GFLOP':>9}{'GFLOP/s':>9}  {by}",
    ]
    for name, value in sorted(seconds.items(), key=lambda item: -item[1])[:rows]:
        rate = f"{gflop[name]:9.2f}{gflop[name] / value:9.0f}" if gflop[name] and value else f"{'':18}"
        table.append(f"{1e3 * value:9.1f}{100 * value / whole:7.1f}{number[name]:8}{rate}  {name}")
    table.append(
        f"{1e3 * whole:9.1f}{100:7.1f}{sum(number.values()):8}{counted:9.2f}{counted / whole:9.0f}  all"
    )
    if abs(profile.gflop - counted) > 0.001 * profile.gflop:
        table.append(f"the published graph has {profile.gflop:.2f} GFLOP")
    return table


if __name__ == "__main__":
    sys.exit(main())
