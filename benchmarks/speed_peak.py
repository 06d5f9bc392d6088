"""How many floating-point operations in a second this machine reaches in what it is best at: a large matrix product.

Each library that is at hand multiplies square float32 matrices of several sizes on all cores; the fastest product of
all counts. A process each, so that no library's idle threads disturb another's.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

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
from unbraid.separation.openvino import import_openvino
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


def peak_gflops(ours: Path, theirs: Path | None) -> dict[str, float]:
    """GFLOP/s by library: numpy and OpenVINO of the Python `ours`, PyTorch of `theirs`, where it is given."""
    commands: dict[str, list[str | Path]] = {
        "numpy": [ours, "-I", "-c", NUMPY],
        "OpenVINO": [ours, "-I", "-c", OPENVINO],
    }
    if theirs:
        commands["PyTorch"] = [theirs, "-I", "-c", TORCH]
    return {
        library: float(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
        for library, command in commands.items()
    }


def best_of(measured: Mapping[str, float], again: Mapping[str, float]) -> dict[str, float]:
    """The higher of two measurements, by library."""
    return {library: max(rate, again[library]) for library, rate in measured.items()}
