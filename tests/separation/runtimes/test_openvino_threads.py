"""Threads of OpenVINO share the cores with other processes, and start at the same time."""

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


# OpenVINO's binding asks for NumPy's version when it loads NumPy's functions.
FIRST_RUNS_AT_ONCE = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from unbraid.separation.runtimes.openvino import OpenVinoRuntime
version = np.lib.NumpyVersion

def slow_version(text):
    time.sleep(0.2)  # another thread runs
    return version(text)

np.lib.NumpyVersion = slow_version
shape = (1, 2, 257, 8, 2)
runtime = OpenVinoRuntime(Path(sys.argv[1]), {"spectrum": shape}, threads=2, jobs=2)

def compute(_):
    with runtime.run({"spectrum": np.ones(shape, np.float32)}) as outputs:
        return len(outputs)

with ThreadPoolExecutor(2) as pool:
    print(sum(pool.map(compute, range(2))))
"""


def test_first_segments_of_a_process_are_computed_at_the_same_time(gains_folder: Path) -> None:
    command = [sys.executable, "-c", FIRST_RUNS_AT_ONCE, gains_folder / "graph.onnx"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert int(done.stdout) == 2
