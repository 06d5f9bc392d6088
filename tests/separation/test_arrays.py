"""Songs in memory: arrays of any layout and type, and tensors of other libraries."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.separation.conftest import noise

from unbraid import Separator
from unbraid.errors import SettingError

SONG = noise(2, 20_000)


class ByDLPack:
    """A tensor that has DLPack and no array protocol."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = samples

    def __dlpack__(self, **options: Any) -> Any:
        return self._samples.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._samples.__dlpack_device__()


class OnACard:
    """A tensor that has to be copied first, as PyTorch says of those on a graphics card."""

    def __array__(self, *arguments: Any, **options: Any) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")


def read_only(song: np.ndarray) -> np.ndarray:
    copy = song.copy()
    copy.flags.writeable = False
    return copy


def offset(song: np.ndarray) -> np.ndarray:
    """The samples at an odd address, as in a memory-mapped file."""
    raw = np.zeros(song.nbytes + 1, np.uint8)
    view = raw[1:].view(np.float32).reshape(song.shape)
    view[:] = song
    return view


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "Fortran order": np.asfortranarray,
    "transposed": lambda song: song.T.copy().T,
    "negative strides": lambda song: song[::-1, ::-1].copy()[::-1, ::-1],
    "every second": lambda song: np.repeat(song, 2, axis=1)[:, ::2],
    "byte-swapped": lambda song: song.astype(">f4"),
    "read-only": read_only,
    "not aligned": offset,
    "float64": lambda song: song.astype(np.float64),
    "long double": lambda song: song.astype(np.longdouble),
    "masked": np.ma.MaskedArray,
    "record field": lambda song: np.rec.fromarrays([song, song], names="a,b").a,
    "DLPack": ByDLPack,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_an_array_makes_no_difference(separator: Separator, layout: str) -> None:
    expected, stems = separator.separate(SONG), separator.separate(LAYOUTS[layout](SONG))
    assert all(np.array_equal(stems[name], expected[name]) for name in expected)


def test_a_broadcast_array_is_read_like_a_copy(separator: Separator) -> None:
    wide = np.broadcast_to(SONG[:1], (2, SONG.shape[1]))
    assert np.array_equal(separator.separate(wide)["bass"], separator.separate(wide.copy())["bass"])


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "i1", "<i4", ">i4", "<i8", ">i8", "u1"])
def test_integers_have_the_full_scale_of_their_type(separator: Separator, dtype: str) -> None:
    kind = np.dtype(dtype)
    full_scale = 2.0 ** (8 * kind.itemsize - 1)
    values = np.rint(SONG.astype(np.float64) * full_scale) + (128 if kind.kind == "u" else 0)
    mix = separator.separate(values.astype(kind), stems="mix")["mix"]
    assert np.abs(mix - SONG).max() <= max(0.5 / full_scale, 2.0**-24)


def test_the_largest_integers_are_full_scale(separator: Separator) -> None:
    for dtype in (np.int16, np.int64):
        limits = np.array([[np.iinfo(dtype).min, np.iinfo(dtype).max]], dtype)
        (samples,) = separator.separate(limits, stems="mix")["mix"]
        assert samples == pytest.approx([-1, 1], abs=2e-4)
        assert samples[0] == -1


def test_takes_pytorch_tensors(separator: Separator) -> None:
    torch = pytest.importorskip("torch")
    expected = separator.separate(SONG)["vocals"]
    tensor = torch.from_numpy(SONG.T.copy()).T
    assert np.array_equal(separator.separate(tensor, 44100)["vocals"], expected)
    with pytest.raises(SettingError, match=r"The array can't be read: .*detach"):
        separator.separate(tensor.clone().requires_grad_())


def test_reads_tensors_without_importing_their_library(separator: Separator) -> None:
    program = (
        "import sys, numpy as np; from unbraid.separation.array_song import ArraySong;"
        "song = type('Tensor', (), {'__array__': lambda self, *a, **k: np.zeros((2, 10), 'f4')})();"
        "print(ArraySong(song, 44100).channels, 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["2", "False"]


@pytest.mark.parametrize(
    ("song", "message"),
    [
        (np.zeros((3, 100), np.float32), r"must be \(1 or 2 channels, samples\), not 3x100\.$"),
        (np.zeros((100, 2), np.float32), r"not 100x2\. Transpose it: samples\.T\."),
        (np.zeros((1, 2, 100), np.float32), "not 1x2x100"),
        (np.zeros((2, 100), np.uint16), "not uint16"),
        (np.zeros((2, 100), np.complex64), "not complex64"),
        (np.zeros((2, 100), bool), "not bool"),
        (np.array([["a", "b"]]), "not <U1"),
        (np.zeros((2, 100), object), "not object"),
        (OnACard(), r"The array can't be read: .*Use Tensor\.cpu\(\) first"),
        ([0.0, 0.5], "A song is a path or an array of samples, not list"),
        (None, "A song is a path or an array of samples, not NoneType"),
    ],
)
def test_rejects_other_objects_in_one_line(separator: Separator, song: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message) as error:
        separator.separate(song)
    assert "\n" not in error.value.message
