"""Calls of the native HTDemucs: concurrent, multi-threaded, with missing tensors or too little memory."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_char_p, c_int64, c_void_p
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.native.networks import SAMPLES, Array, native_network, needs_library, run, song

from unbraid.errors import ModelError
from unbraid.native.htdemucs import NativeHTDemucs
from unbraid.native.library import (
    SMALL_MEMORY,
    STAGES,
    UNSUPPORTED_SIZES,
    HTDemucsSizes,
    NativeLibrary,
)
from unbraid.networks.htdemucs import HTDemucs

pytestmark = needs_library

SOURCE = Path(__file__).parents[2] / "src"


def same(actual: tuple[Array, Array], true: tuple[Array, Array]) -> bool:
    """Whether both outputs are equal to the byte."""
    return all(one.tobytes() == other.tobytes() for one, other in zip(actual, true, strict=True))


def tensors_of(network: HTDemucs) -> dict[str, np.ndarray]:
    return {name: value.half().numpy() for name, value in network.state_dict().items()}


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
    tensors = tensors_of(four)
    del tensors[name]
    with pytest.raises(ModelError, match="lack a tensor"):
        NativeHTDemucs(library, tensors, sources=4, width=512, samples=SAMPLES, frames=30)


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("encoder.0.conv.weight", 1000),
        ("tencoder.2.dconv.layers.1.6.scale", 0),
        ("freq_emb.embedding.weight", 48),
        ("channel_downsampler_t.bias", 385),
        ("crosstransformer.layers.3.cross_attn.in_proj_weight", 512 * 512),
        ("crosstransformer.layers_t.0.linear2.weight", 4 * 512 * 512 - 1),
        ("tdecoder.3.conv_tr.weight", 10),
        ("decoder.1.rewrite.bias", 1),
    ],
)
def test_tensor_of_another_length_raises(
    four: HTDemucs, library: NativeLibrary, name: str, length: int
) -> None:
    """The library read beyond the end of such a tensor."""
    tensors = tensors_of(four) | {name: np.zeros(length, np.float16)}
    with pytest.raises(ModelError, match="wrong length"):
        NativeHTDemucs(library, tensors, sources=4, width=512, samples=SAMPLES, frames=30)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 1024},  # wrote beyond arrays on the stack
        {"width": 500},
        {"width": -128},
        {"sources": 0},
        {"sources": 65},
        {"samples": 0},
        {"samples": 2**31 - 1},
        {"frames": -1},
        {"frames": 2**20},
    ],
)
def test_unsupported_sizes_raise(four: HTDemucs, library: NativeLibrary, change: dict[str, int]) -> None:
    sizes = {"sources": 4, "width": 512, "samples": SAMPLES, "frames": 30} | change
    with pytest.raises(ValueError, match="sizes"):
        NativeHTDemucs(library, tensors_of(four), **sizes)


def test_every_entry_checks_the_sizes(library: NativeLibrary) -> None:
    wide = HTDemucsSizes(4, 1024, SAMPLES, 30)
    nothing = (c_char_p * 0)(), (c_void_p * 0)(), (c_int64 * 0)()
    assert library.weights_bytes(wide) == library.workspace_bytes(wide, None, 1) == 0
    assert library.pack(wide, 0, *nothing, None, 2**40) == UNSUPPORTED_SIZES
    assert library.run(wide, None, None, 2**40, 1, *[None] * 6) == UNSUPPORTED_SIZES


def test_too_small_memory_for_weights_is_an_error(library: NativeLibrary) -> None:
    sizes = HTDemucsSizes(4, 512, SAMPLES, 30)
    nothing = (c_char_p * 0)(), (c_void_p * 0)(), (c_int64 * 0)()
    assert library.pack(sizes, 0, *nothing, None, library.weights_bytes(sizes) - 1) == SMALL_MEMORY


def test_workspace_of_another_network_raises(
    four: HTDemucs, library: NativeLibrary, network: NativeHTDemucs
) -> None:
    workspace = network.workspace()
    with pytest.raises(ValueError, match="another network"):
        run(native_network(four, library, threads=3), song(), workspace)
    for name, shape in (("waveforms", (1, 6, 2, SAMPLES)), ("spectra", (1, 4, 2, 2048, 29, 2))):
        with pytest.raises(ValueError, match="another network"):
            run(network, song(), replace(workspace, **{name: np.empty(shape, np.float32)}))


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
