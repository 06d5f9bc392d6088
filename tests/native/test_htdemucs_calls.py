"""How the native HTDemucs is called: from several threads, with several threads, with too little of what it needs."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.native.heard import SAMPLES, Array, native, needs_library, run, song

from unbraid.errors import ModelError
from unbraid.native.htdemucs import NativeHTDemucs
from unbraid.native.library import PARTS, native_library
from unbraid.networks.htdemucs import HTDemucs

pytestmark = needs_library

SOURCE = Path(__file__).parents[2] / "src"


def same(found: tuple[Array, Array], true: tuple[Array, Array]) -> bool:
    """To the byte."""
    return all(one.tobytes() == other.tobytes() for one, other in zip(found, true, strict=True))


@pytest.fixture(scope="module")
def network(four: HTDemucs) -> NativeHTDemucs:
    return native(four)


@pytest.fixture(scope="module")
def alone(network: NativeHTDemucs) -> tuple[Array, Array]:
    """What one call gives of the song."""
    return run(network, song())


def test_calls_at_the_same_time_give_what_they_give_alone(
    network: NativeHTDemucs, alone: tuple[Array, Array]
) -> None:
    quiet = run(network, song()[::-1] ** 2)
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(run, network, mixture) for mixture in (song(), song()[::-1] ** 2, song())]
    assert same(calls[0].result(), alone)
    assert same(calls[1].result(), quiet)
    assert same(calls[2].result(), alone)


def test_a_desk_remembers_nothing(network: NativeHTDemucs, alone: tuple[Array, Array]) -> None:
    desk = network.desk()
    run(network, 1e30 * song(), desk)
    assert same(run(network, song(), desk), alone)


@pytest.mark.parametrize("threads", [2, 3, 70])
def test_the_number_of_threads_changes_no_byte(
    four: HTDemucs, alone: tuple[Array, Array], threads: int
) -> None:
    shared = native(four, threads=threads)
    desk = shared.desk()
    for _ in range(2):
        assert same(run(shared, song(), desk), alone)


def test_several_calls_with_several_threads_each_change_no_byte(
    four: HTDemucs, alone: tuple[Array, Array]
) -> None:
    shared = native(four, threads=3)
    with ThreadPoolExecutor(3) as pool:
        assert all(same(found, alone) for found in pool.map(lambda _: run(shared, song()), range(3)))


def test_it_says_where_its_time_goes(network: NativeHTDemucs) -> None:
    seconds = np.zeros(len(PARTS))
    network.run(song()[None], np.zeros((1, 2, 2048, 30, 2), np.float32), network.desk(), seconds=seconds)
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
def test_a_tensor_that_is_missing_is_told(four: HTDemucs, name: str) -> None:
    tensors = {key: value.half().numpy() for key, value in four.state_dict().items() if key != name}
    with pytest.raises(ModelError, match="lack a tensor"):
        NativeHTDemucs(native_library(), tensors, sources=4, width=512, samples=SAMPLES, frames=30)


def test_tensors_may_lie_at_any_address_and_with_others(four: HTDemucs, alone: tuple[Array, Array]) -> None:
    """As in a file that is read as it is."""
    tensors = {"unknown": np.zeros(3, np.float16)}
    for name, value in four.state_dict().items():
        halves = value.half().numpy()
        file = b"\0" + halves.tobytes()
        tensors[name] = np.frombuffer(file, np.float16, offset=1).reshape(halves.shape)
        assert tensors[name].ctypes.data % 2
    library = native_library()
    assert library is not None
    moved = NativeHTDemucs(library, tensors, sources=4, width=512, samples=SAMPLES, frames=30)
    assert same(run(moved, song()), alone)


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from unbraid.models.graphs import load_template
from unbraid.native.htdemucs import NativeHTDemucs
from unbraid.native.library import native_library

def leave(megabytes):
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, -1))

def told(act):
    try:
        act()
    except MemoryError:
        return "told"
    return "done"

tensors = {place.name: np.zeros(place.length // 2, np.float16) for place in load_template("htdemucs").tensors}
sizes = dict(sources=4, width=512, samples=30_011, frames=30)
make = lambda threads=1: NativeHTDemucs(native_library(), tensors, **sizes, threads=threads)
leave(20)
print("weights", told(make))
leave(4000)
network, shared = make(), make(3)
leave(4)
print("desk", told(network.desk))
leave(4000)
desk = shared.desk()
mixture, spectrum = np.ones((1, 2, 30_011), np.float32), np.ones((1, 2, 2048, 30, 2), np.float32)
leave(4)  # less than the stack of a thread
print("threads", told(lambda: shared.run(mixture, spectrum, desk)), np.isfinite(desk.waveforms).all())
"""


def test_a_lack_of_memory_is_told_and_one_of_threads_is_none() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SHORT_OF_MEMORY],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (
        0,
        "weights told\ndesk told\nthreads done True\n",
    ), done.stderr
