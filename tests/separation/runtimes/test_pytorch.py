"""The PyTorch runtime, tested on the processor: only the name of the device differs from a graphics card."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.networks.seeded_spleeter import seeded_spleeter, spleeter_model
from tests.separation.known_models import bag_of
from tests.separation.small_published import SEGMENT, real_model, small_model
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from unbraid import Separator
from unbraid.audio.arrays import Floats
from unbraid.errors import ModelError, UnbraidError
from unbraid.models import Model, load_model_folder
from unbraid.separation.runtimes import choose
from unbraid.separation.runtimes.base import GpuOutOfMemory
from unbraid.separation.runtimes.choose import CPU_JOBS, RuntimeLoader
from unbraid.separation.runtimes.openvino import OpenVinoRuntime
from unbraid.separation.runtimes.pytorch import PyTorchRuntime
from unbraid.separation.spectral import Spectral


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: networks this small are slower with more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with small_model(tmp_path_factory.mktemp("published")) as model:
        yield model


@pytest.fixture(scope="module")
def runtime(model: Model) -> PyTorchRuntime:
    return PyTorchRuntime(model, "cpu")


def music(segments: int, samples: int = SEGMENT, seed: int = 0) -> Floats:
    """A tone in rising noise, (segments, 2, samples)."""
    drawn = np.random.default_rng(seed).standard_normal((segments, 2, samples))
    tones = np.sin(np.arange(samples) * np.array([[0.01], [0.1]]))
    sound = 0.5 * drawn * np.linspace(0, 1, samples) + tones
    return sound.astype(np.float32)


def stems(runtime: PyTorchRuntime, mixture: Floats) -> Floats:
    with runtime.run({"mixture": mixture}) as outputs:
        return outputs["waveforms"]


def error_db(actual: Floats, expected: Floats) -> float:
    """Energy of the difference relative to the expected energy, for the worst source."""
    axes = (0, 2, 3)
    return float(
        10 * np.log10(np.max(np.sum((actual - expected) ** 2, axes) / np.sum(expected**2, axes)) + 1e-30)
    )


def test_stems_match_the_default_runtime(tmp_path: Path) -> None:
    model = real_model(tmp_path)
    samples = 60_000  # shorter than a segment, for speed
    mixture = music(1, samples)
    spectral = Spectral(4096, 1024, "demucs")
    inputs = {"mixture": mixture, "spectrum": spectral.forward(mixture)}
    shapes = {name: value.shape for name, value in inputs.items()}
    with OpenVinoRuntime(model.graph, shapes, threads=2, jobs=1).run(inputs) as outputs:
        expected = outputs["waveforms"] + spectral.inverse(outputs["spectra"], samples)
    assert error_db(stems(PyTorchRuntime(model, "cpu"), mixture), expected) < -80


def test_stems_of_spleeter_match_the_default_runtime(tmp_path: Path) -> None:
    model = spleeter_model(tmp_path, seeded_spleeter())
    mixture = music(1, model.segment) * np.float32(0.1)
    spectral = Spectral(4096, 1024)
    inputs = {"spectrum": spectral.forward(mixture)}
    shapes = {"spectrum": inputs["spectrum"].shape}
    with OpenVinoRuntime(model.graph, shapes, threads=2, jobs=1).run(inputs) as outputs:
        expected = spectral.inverse(outputs["spectra"], model.segment)
    assert error_db(stems(PyTorchRuntime(model, "cpu"), mixture), expected) < -80


def test_half_precision_is_accurate(model: Model, runtime: PyTorchRuntime) -> None:
    mixture = music(2)
    expected = stems(runtime, mixture)
    half = PyTorchRuntime(model, "cpu", precision=torch.float16)
    assert -90 < error_db(stems(half, mixture), expected) < -50
    assert -90 < error_db(stems(half, mixture[1:]), expected[1:]) < -50


def test_insufficient_precision_is_replaced_by_float32(model: Model, runtime: PyTorchRuntime) -> None:
    mixture = music(2)
    coarse = PyTorchRuntime(model, "cpu", precision=torch.bfloat16)
    error = coarse._stems(torch.from_numpy(mixture), torch.bfloat16).numpy() - stems(runtime, mixture)
    assert -50 < error_db(error + stems(runtime, mixture), stems(runtime, mixture)) < -30
    assert error_db(stems(coarse, mixture), stems(runtime, mixture)) < -110


def test_silence_does_not_decide_the_precision(model: Model, runtime: PyTorchRuntime) -> None:
    mixture = music(1)
    coarse = PyTorchRuntime(model, "cpu", precision=torch.bfloat16)
    for gain in (0, 1e-4):
        assert np.abs(stems(coarse, mixture * np.float32(gain))).max() < 1e-3
    assert error_db(stems(coarse, mixture), stems(runtime, mixture)) < -110
    half = PyTorchRuntime(model, "cpu", precision=torch.float16)
    stems(half, 0 * mixture)
    assert -90 < error_db(stems(half, mixture), stems(runtime, mixture)) < -50


def test_overflow_in_half_precision_is_recomputed_in_float32(model: Model) -> None:
    half = PyTorchRuntime(model, "cpu", precision=torch.float16)
    exact = PyTorchRuntime(model, "cpu", precision=torch.float32)
    stems(half, music(1))  # the first segment passes the check
    for each in (half, exact):
        weights = dict(each._network.named_parameters())
        weights["decoder.3.conv_tr.weight"].mul_(1e6)
    assert error_db(stems(half, music(1)), stems(exact, music(1))) < -110


def test_batch_matches_single_segments(model: Model, runtime: PyTorchRuntime) -> None:
    mixture = music(3)
    alone = np.concatenate([stems(runtime, segment[None]) for segment in mixture])
    together = stems(PyTorchRuntime(model, "cpu", jobs=6), mixture)
    assert together.shape == (3, 4, 2, SEGMENT)
    assert error_db(together, alone) < -110


def test_concurrent_calls_get_their_own_results(model: Model) -> None:
    runtime = PyTorchRuntime(model, "cpu", jobs=6)
    segments = [music(1, SEGMENT - 1000 * (seed % 2), seed) for seed in range(8)]
    alone = [stems(runtime, segment) for segment in segments]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda segment: stems(runtime, segment), segments))
    for actual, expected in zip(together, alone, strict=True):
        assert error_db(actual, expected) < -110


@pytest.mark.parametrize("samples", [1, 1000, 1536, 4097, SEGMENT - 1])
def test_transforms_match_the_numpy_ones(runtime: PyTorchRuntime, samples: int) -> None:
    spectral = Spectral(4096, 1024, "demucs")
    signal = music(2, samples)
    spectrum = runtime._model.spectral.forward(torch.from_numpy(signal))
    assert np.allclose(spectrum, spectral.forward(signal), atol=1e-4)
    again = runtime._model.spectral.inverse(spectrum, samples)
    assert np.allclose(again, spectral.inverse(spectrum.numpy(), samples), atol=1e-5)


class LimitedMemory(TorchDispatchMode):
    """A card that has no space for a tensor of more than `limit` bytes, and raises PyTorch's own error."""

    def __init__(self, limit: float = np.inf, error: type[Exception] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.limit, self.error = limit, error
        self.rejected = 0
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            size = result.numel() * result.element_size()
            self.largest = max(self.largest, size)
            if size > self.limit:
                self.rejected += 1
                raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore about it")
        return result


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_out_of_memory_halves_the_batches(
    model: Model, runtime: PyTorchRuntime, error: type[Exception]
) -> None:
    mixture = music(4)
    expected = stems(runtime, mixture)
    halving = PyTorchRuntime(model, "cpu", jobs=8)
    with LimitedMemory() as memory:
        stems(halving, mixture[:2])
    with LimitedMemory(memory.largest, error) as memory:
        assert error_db(stems(halving, mixture), expected) < -110
        assert memory.rejected == 1  # four at once; the limit is remembered
        stems(halving, mixture[:3])
        assert memory.rejected == 1


def test_out_of_memory_for_one_segment_says_what_to_do(model: Model) -> None:
    runtime = PyTorchRuntime(model, "cpu", jobs=8)
    with (
        LimitedMemory(1000) as memory,
        pytest.raises(UnbraidError, match=r"too little free memory.*--device cpu"),
    ):
        stems(runtime, music(4))
    assert memory.rejected == 3  # four, two, one
    with LimitedMemory(20_000), pytest.raises(UnbraidError, match="too little free memory"):
        PyTorchRuntime(model, "cpu")
    assert np.isfinite(stems(runtime, music(1))).all()


def test_auto_uses_the_processor_if_the_card_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise GpuOutOfMemory("the card is full")

    monkeypatch.setattr("unbraid.separation.runtimes.pytorch.PyTorchRuntime", full)
    monkeypatch.setattr(choose, "choose_gpu", lambda model, device: "cuda")
    folder = bag_of(tmp_path, {"one": (1, 0, 0, 0), "two": (0, 1, 1, 1)})
    notices: list[str] = []
    loader = RuntimeLoader(load_model_folder(folder / "one"))
    shapes = {"spectrum": (1, 2, 257, 48, 2)}
    assert loader.load(load_model_folder(folder / "one"), shapes).jobs <= CPU_JOBS
    for model in (folder, folder / "one"):
        stems = Separator(model, notice=notices.append).separate(music(1)[0])
        assert len(stems) == 4
        assert notices == [
            "The graphics card (cuda) has too little free memory. Using the processor instead."
        ]
        notices.clear()
        with pytest.raises(GpuOutOfMemory):
            Separator(model, device="cuda", notice=notices.append).separate(music(1)[0])
        assert notices == []


def test_other_errors_reach_the_caller(model: Model) -> None:
    runtime = PyTorchRuntime(model, "cpu", jobs=4)
    with pytest.raises(RuntimeError, match="channels"):
        stems(runtime, music(1)[:, :1])
    assert np.isfinite(stems(runtime, music(1))).all()


def test_no_tensor_stays_on_the_processor(model: Model, runtime: PyTorchRuntime) -> None:
    """The meta device rejects tensors of other devices."""
    network = PyTorchRuntime(model, "cpu")._network.to("meta")
    mixture = torch.zeros(1, 2, SEGMENT, device="meta")
    waveforms, spectra = network(mixture, runtime._model.spectral.forward(mixture))
    assert waveforms.shape == (1, 4, 2, SEGMENT)
    assert runtime._model.spectral.inverse(spectra, SEGMENT).shape == waveforms.shape


def test_model_without_a_pytorch_network_is_rejected(loudness_folder: Any) -> None:
    with pytest.raises(ModelError, match="PyTorch can't compute known"):
        PyTorchRuntime(load_model_folder(loudness_folder), "cpu")


def test_song_is_separated_in_batches(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Follow the path of `--device cuda` with the processor instead of the card."""
    monkeypatch.setattr(choose, "choose_gpu", lambda model, device: "cpu")
    sizes: list[int] = []
    compute = PyTorchRuntime._compute

    def recording(self: PyTorchRuntime, mixture: Floats) -> Floats:
        sizes.append(len(mixture))
        return compute(self, mixture)

    monkeypatch.setattr(PyTorchRuntime, "_compute", recording)
    song = music(1, 10 * SEGMENT + 77)[0]
    one, other = (
        dict(Separator(model.folder, device="auto", jobs=jobs).separate(song)) for jobs in (1, None)
    )
    assert max(sizes) == 4
    for stem, alone in one.items():
        assert alone.shape == song.shape
        assert error_db(other[stem][None, None], alone[None, None]) < -110
