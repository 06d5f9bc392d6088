"""Threads of OpenVINO share the cores with other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# A process of its own: threads of other tests may be bound to a core. Threads are bound only while they compute.
FEWEST_CORES_OF_A_THREAD = """
import os, sys, time
from contextlib import suppress
from pathlib import Path
from threading import Thread
import numpy as np
from unbraid.separation.runtimes.openvino import OpenVinoRuntime
shape = (1, 2, 257, 8, 2)
threads, jobs = map(int, sys.argv[2:])
runtime = OpenVinoRuntime(Path(sys.argv[1]), {"spectrum": shape}, threads=threads, jobs=jobs)
inputs = {"spectrum": np.ones(shape, np.float32)}
stop = time.monotonic() + 0.5

def compute():
    while time.monotonic() < stop:
        with runtime.run(inputs):
            pass

computing = [Thread(target=compute) for _ in range(jobs)]
for thread in computing:
    thread.start()
fewest = os.cpu_count()
while time.monotonic() < stop:
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended
            fewest = min(fewest, len(os.sched_getaffinity(int(thread.name))))
print(fewest)
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
@pytest.mark.parametrize(("threads", "jobs"), [(1, 1), (2, 2)])
def test_thread_that_needs_one_core_may_run_on_every_core(
    threads: int, jobs: int, gains_folder: Path
) -> None:
    command = [
        sys.executable,
        "-c",
        FEWEST_CORES_OF_A_THREAD,
        gains_folder / "graph.onnx",
        str(threads),
        str(jobs),
    ]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert set(lines) == {str(len(os.sched_getaffinity(0)))}
