"""Measure this machine's peak rate in operations a second: matrix products of libraries, and their instructions.

Each available library multiplies square float32 matrices of several sizes on all cores. If the processor has AVX-512
VNNI and there is a C compiler, all cores also repeat single instructions (`speed_peak.c`): products of floats, and of
16-bit integers, because no library here has a matrix product of integers. The highest rate counts. Each
library runs in its own process, so that its idle threads do not disturb another.
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
"""Instructions that `speed_peak.c` measures. All other names are libraries with float32 products."""

SIZES = (1024, 2048, 3072)
SECONDS = 0.6
"""Seconds for each size."""

# End of a library's program. Prints the best rate of the function that `prepare(a, b)` returns.
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
# Compiled as in the engine: float32, with a request that copies nothing.
OPENVINO = f"""
from unbraid.separation.runtimes.openvino import import_openvino
ov = import_openvino()
from openvino import opset13
def prepare(a, b):
    inputs = [opset13.parameter(list(a.shape), np.float32) for _ in range(2)]
    model = ov.Model([opset13.matmul(*inputs, False, False)], inputs)
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
    """Return G operations a second of all cores: of instructions, if they can be measured, and of float32 products.

    `ours`: Python interpreter with numpy and OpenVINO. `theirs`: one with PyTorch; None: leave it out.
    """
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
    """Return G operations a second of INTEGERS and FLOATS on all cores. Empty without AVX-512 VNNI or a compiler."""
    if not (build.platform_supported() and "avx512_vnni" in build.processor_sets()):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        source = Path(__file__).with_suffix(".c")
        try:
            compiler = build.choose_compiler(build.find_compilers())
        except build.BuildError:
            return {}
        subprocess.run(
            [*compiler, "-O2", *build.INSTRUCTION_SETS["avx512_vnni"].flags, source, "-o", program],
            check=True,
        )
        cores = [
            subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
            for _ in range(len(os.sched_getaffinity(0)))
        ]
        rates = [[float(line) for line in core.communicate()[0].split()] for core in cores]
    return dict(zip((INTEGERS, FLOATS), map(sum, zip(*rates, strict=True)), strict=True))


def best_of(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Return the higher of two measurements of each peak."""
    return {name: max(rate, second[name]) for name, rate in first.items()}


def float_peak(measured: Mapping[str, float]) -> float:
    """Return the highest peak of float32 products."""
    return max(rate for name, rate in measured.items() if name != INTEGERS)
