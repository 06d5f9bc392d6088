"""How many operations in a second this machine reaches in what it is best at: matrix products, and their instructions.

Each library that is at hand multiplies square float32 matrices of several sizes on all cores. Where the processor is
one for the native library and there is a C compiler, all cores also repeat the instructions that products are made of
and nothing else (`speed_peak.c`): of floats, and of 16-bit integers, for which no library here has a product. The
fastest of all counts. A process each, so that no library's idle threads disturb another's.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from unbraid.native import build

INTEGERS, FLOATS = "vpdpwssd, int16", "vfmadd, float32"
"""What is measured by `speed_peak.c`; all else are libraries' products of float32."""

SIZES = (1024, 2048, 3072)
SECONDS = 0.6
"""For each size."""

# Prints the best rate of `product(a, b)`, which `prepare(a, b)` gives.
BEST = f"""
import json, time
import numpy as np
best = {{}}
for size in {SIZES}:
    draw = np.random.default_rng(0)
    product = prepare(*(draw.standard_normal((size, size), dtype=np.float32) for _ in range(2)))
    product()
    shortest, end = float("inf"), time.perf_counter() + {SECONDS}
    while time.perf_counter() < end:
        started = time.perf_counter()
        product()
        shortest = min(shortest, time.perf_counter() - started)
    best[size] = 2 * size**3 / shortest / 1e9
print(json.dumps(max(best.values())))
"""
NUMPY = f"""
import numpy as np
def prepare(a, b):
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)
{BEST}"""
# As the engine compiles: float32, and a request that copies nothing.
OPENVINO = f"""
from unbraid.separation.runtimes.openvino import import_openvino
ov = import_openvino()
from openvino import opset13
def prepare(a, b):
    given = [opset13.parameter(list(a.shape), np.float32) for _ in range(2)]
    model = ov.Model([opset13.matmul(*given, False, False)], given)
    precise = {{"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}}
    request = ov.Core().compile_model(model, "CPU", precise).create_infer_request()
    return lambda: request.infer({{0: a, 1: b}}, share_inputs=True, share_outputs=True)
{BEST}"""
TORCH = f"""
import torch
def prepare(a, b):
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    out = torch.empty_like(a)
    return lambda: torch.matmul(a, b, out=out)
{BEST}"""


def peaks(ours: Path, theirs: Path | None) -> dict[str, float]:
    """G operations a second of all cores: of the instructions, where they can be measured, and of float32 products by
    numpy and OpenVINO of the Python `ours` and PyTorch of `theirs`, where it is given."""
    commands: dict[str, list[str | Path]] = {
        "numpy": [ours, "-I", "-c", NUMPY],
        "OpenVINO": [ours, "-I", "-c", OPENVINO],
    }
    if theirs:
        commands["PyTorch"] = [theirs, "-I", "-c", TORCH]
    products = {
        library: float(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
        for library, command in commands.items()
    }
    return instructions() | products


def instructions() -> dict[str, float]:
    """Of INTEGERS and FLOATS, all cores together; nothing where the processor hasn't them or nothing compiles here."""
    if not (build.possible() and build.useful()):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        source = Path(__file__).with_suffix(".c")
        try:
            compiler = build.usable(build.candidates())
        except build.BuildError:
            return {}
        subprocess.run([*compiler, "-O2", *build.WIDE, source, "-o", program], check=True)
        cores = [
            subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
            for _ in range(len(os.sched_getaffinity(0)))
        ]
        rates = [[float(line) for line in core.communicate()[0].split()] for core in cores]
    return dict(zip((INTEGERS, FLOATS), map(sum, zip(*rates, strict=True)), strict=True))


def best_of(measured: Mapping[str, float], again: Mapping[str, float]) -> dict[str, float]:
    """The higher of two measurements, by what was measured."""
    return {name: max(rate, again[name]) for name, rate in measured.items()}


def float_peak(measured: Mapping[str, float]) -> float:
    """The highest of what is about floats."""
    return max(rate for name, rate in measured.items() if name != INTEGERS)
