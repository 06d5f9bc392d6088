"""The PyTorch runtime on a graphics card, if this machine has one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tests.separation.runtimes.test_pytorch import error_db, music, stems
from tests.separation.small_published import SEGMENT, small_model

from unbraid import Separator
from unbraid.models import Model
from unbraid.separation.runtimes.choose import GPUS, choose_gpu
from unbraid.separation.runtimes.pytorch import PyTorchRuntime

AVAILABLE = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
USABLE = [gpu for gpu in GPUS if AVAILABLE[gpu]]

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not USABLE, reason="this machine has no graphics card that PyTorch can use"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with small_model(tmp_path_factory.mktemp("published")) as model:
        yield model


@pytest.fixture(scope="module")
def gpu(model: Model) -> str:
    chosen = choose_gpu(model, "auto")
    assert chosen == USABLE[0]
    return chosen


def test_card_matches_the_processor(model: Model, gpu: str) -> None:
    mixture = music(3)
    expected = stems(PyTorchRuntime(model, "cpu"), mixture)
    # Even in float32, convolutions may use TF32, which has eleven significant bits.
    for precision in (torch.float32, None):
        runtime = PyTorchRuntime(model, gpu, jobs=6, precision=precision)
        assert error_db(stems(runtime, mixture), expected) < -50


def test_batched_song_matches_single_segments(model: Model, gpu: str) -> None:
    song = music(1, 10 * SEGMENT)[0]
    one, other = (Separator(model.folder, device=gpu, jobs=jobs).separate(song).values() for jobs in (1, 8))
    for alone, together in zip(one, other, strict=True):
        assert error_db(together[None, None], alone[None, None]) < -50


@pytest.mark.skipif("cuda" not in USABLE, reason="only CUDA's memory can be limited")
def test_full_card_halves_the_batches(model: Model) -> None:
    expected = stems(PyTorchRuntime(model, "cuda"), music(1))
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    one = PyTorchRuntime(model, "cuda")
    stems(one, music(1))
    needed = torch.cuda.max_memory_reserved()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    many = PyTorchRuntime(model, "cuda", jobs=128)
    torch.cuda.set_per_process_memory_fraction(min(1.0, 4 * needed / total))
    try:
        batched = stems(many, np.repeat(music(1), 64, axis=0))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert many._batches.largest < 64
    assert error_db(batched[-1:], expected) < -50
