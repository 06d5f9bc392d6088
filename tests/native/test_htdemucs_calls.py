"""Calls of the native HTDemucs: concurrent, multi-threaded, with missing tensors or too little memory."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.native.networks import SAMPLES, Array, native_network, needs_library, run, song

from unbraid.errors import ModelError
from unbraid.native.htdemucs import NativeHTDemucs
from unbraid.native.library import STAGES, NativeLibrary
from unbraid.networks.htdemucs import HTDemucs

pytestmark = needs_library

SOURCE = Path(__file__).parents[2] / "src"


def same(actual: tuple[Array, Array], true: tuple[Array, Array]) -> bool:
    """Whether both outputs are equal to the byte."""
    return all(one.tobytes() == other.tobytes() for one, other in zip(actual, true, strict=True))


@pytest.fixture(scope="module")
def network(four: HTDemucs, library: NativeLibrary) -> NativeHTDemucs:
    return native_network(four, library)


@pytest.fixture(scope="module")
def single_call(network: NativeHTDemucs) -> tuple[Array, Array]:
    """Output of a single call."""
    return run(network, song())


def test_concurrent_calls_give_the_same_as_single_calls(
    network: NativeHTDemucs, single_call: tuple[Array, Array]
) -> None:
    quiet = run(network, song()[::-1] ** 2)
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(run, network, mixture) for mixture in (song(), song()[::-1] ** 2, song())]
    assert same(calls[0].result(), single_call)
    assert same(calls[1].result(), quiet)
    assert same(calls[2].result(), single_call)


def test_workspace_keeps_no_state(network: NativeHTDemucs, single_call: tuple[Array, Array]) -> None:
    workspace = network.workspace()
    run(network, 1e30 * song(), workspace)
    assert same(run(network, song(), workspace), single_call)


@pytest.mark.parametrize("threads", [2, 3, 70])
def test_number_of_threads_changes_no_byte(
    four: HTDemucs, library: NativeLibrary, single_call: tuple[Array, Array], threads: int
) -> None:
    shared = native_network(four, library, threads=threads)
    workspace = shared.workspace()
    for _ in range(2):
        assert same(run(shared, song(), workspace), single_call)


def test_concurrent_calls_with_several_threads_change_no_byte(
    four: HTDemucs, library: NativeLibrary, single_call: tuple[Array, Array]
) -> None:
    shared = native_network(four, library, threads=3)
    with ThreadPoolExecutor(3) as pool:
        assert all(same(output, single_call) for output in pool.map(lambda _: run(shared, song()), range(3)))


def test_measures_the_time_of_each_stage(network: NativeHTDemucs) -> None:
    seconds = np.zeros(len(STAGES))
    network.run(song()[None], np.zeros((1, 2, 2048, 30, 2), np.float32), network.workspace(), seconds=seconds)
    assert (seconds > 0).all()


@pytest.mark.parametrize(
    "name",
    [
        "encoder.0.conv.weight",
        "tencoder.2.dconv.layers.1.6.scale",
        "freq_emb.embedding.weight",
        "channel_downsampler_t.bias",
        "crosstransformer.layers.3.cross_attn.in_proj_bias",
        "crosstransformer.norm_in_t.weight",
        "tdecoder.3.conv_tr.bias",
    ],
)
def test_missing_tensor_raises(four: HTDemucs, library: NativeLibrary, name: str) -> None:
    tensors = {key: value.half().numpy() for key, value in four.state_dict().items() if key != name}
    with pytest.raises(ModelError, match="lack a tensor"):
        NativeHTDemucs(library, tensors, sources=4, width=512, samples=SAMPLES, frames=30)


def test_accepts_unaligned_and_unknown_tensors(
    four: HTDemucs, library: NativeLibrary, single_call: tuple[Array, Array]
) -> None:
    """Tensors in a mapped file can have any offset."""
    tensors = {"unknown": np.zeros(3, np.float16)}
    for name, value in four.state_dict().items():
        halves = value.half().numpy()
        content = b"\0" + halves.tobytes()
        tensors[name] = np.frombuffer(content, np.float16, offset=1).reshape(halves.shape)
        assert tensors[name].ctypes.data % 2
    moved = NativeHTDemucs(library, tensors, sources=4, width=512, samples=SAMPLES, frames=30)
    assert same(run(moved, song()), single_call)


LOW_MEMORY_SCRIPT = """
import resource, sys
from pathlib import Path
import numpy as np
from unbraid.models.graphs import load_template
from unbraid.native.htdemucs import NativeHTDemucs
from unbraid.native.library import native_library

def limit_free_memory(megabytes):
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, -1))

def outcome(action):
    try:
        action()
    except MemoryError:
        return "MemoryError"
    return "done"

tensors = {place.name: np.zeros(place.length // 2, np.float16) for place in load_template("htdemucs").tensors}
sizes = dict(sources=4, width=512, samples=30_011, frames=30)
make = lambda threads=1: NativeHTDemucs(native_library(), tensors, **sizes, threads=threads)
limit_free_memory(20)
print("weights", outcome(make))
limit_free_memory(4000)
network, shared = make(), make(3)
limit_free_memory(4)
print("workspace", outcome(network.workspace))
limit_free_memory(4000)
workspace = shared.workspace()
mixture, spectrum = np.ones((1, 2, 30_011), np.float32), np.ones((1, 2, 2048, 30, 2), np.float32)
limit_free_memory(4)  # less than the stack of a thread
print("threads", outcome(lambda: shared.run(mixture, spectrum, workspace)), np.isfinite(workspace.waveforms).all())
"""


def test_too_little_memory_raises_and_fewer_threads_do_not() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", LOW_MEMORY_SCRIPT],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (
        0,
        "weights MemoryError\nworkspace MemoryError\nthreads done True\n",
    ), done.stderr
