"""Quantised weights are restored as diffq does, and invalid ones are one clear line.

`make_quantised.py` writes the files in `quantised/`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demucs.hdemucs import HDemucs
from numpy.typing import NDArray
from tests.models.published import SOURCES, Named, archive, pickled, saved_tensor
from torch import nn

from unbraid.errors import ModelError
from unbraid.models.graphs import load_template
from unbraid.models.parameter_order import published_order
from unbraid.models.readers.packages import read_package
from unbraid.models.readers.quantised import BITS, BLOCK, WORDS, QuantisedState, restore, unpack
from unbraid.models.readers.tensors import PackageError, Weights

FOLDER = Path(__file__).with_name("quantised")
SHAPES = {"0.weight": (48, 8, 8), "1.weight": (40, 64), "1.bias": (40,)}


def nameless(path: Path) -> QuantisedState:
    state = read_package(path).state
    assert isinstance(state, QuantisedState)
    return state


@pytest.mark.parametrize("name", ["grouped", "uniform"])
def test_restores_the_weights_of_diffq_bit_for_bit(name: str) -> None:
    weights = nameless(FOLDER / f"{name}.th").named(SHAPES)
    with np.load(FOLDER / f"{name}.npz") as expected:
        assert list(weights) == list(expected)
        for key, values in weights.items():
            assert values.shape == weights.shape(key) == SHAPES[key]
            assert values.tobytes() == expected[key].tobytes()


def pack(integers: NDArray[Any], bits: int) -> NDArray[np.int64]:
    """Pack integers as diffq does, with loops."""
    blocks = -(-len(integers) // BLOCK)
    packed = np.zeros((blocks, bits, WORDS), np.uint64)
    for number, integer in enumerate(integers):
        block, rest = divmod(number, BLOCK)
        for row in range(bits):
            bit = np.uint64(int(integer) >> row & 1)
            packed[block, row, rest % WORDS] |= bit << np.uint64(rest // WORDS)
    return packed.view(np.int64)


@pytest.mark.parametrize("bits", range(1, 15))
def test_unpacks_integers_of_all_widths(bits: int) -> None:
    integers = np.random.default_rng(bits).integers(0, 1 << bits, WORDS * BITS + 5)
    assert np.array_equal(unpack(pack(integers, bits).view(np.uint64), len(integers)), integers)


def test_the_highest_level_is_the_highest_number() -> None:
    levels = np.array([[0, 1, 7], [0, 1, 3]], np.uint16)
    values = restore(levels, np.array([[3], [2]], np.float32), -1.0, 2.5)
    assert np.allclose(values, [[-1, -0.5, 2.5], [-1, 1 / 6, 2.5]], atol=1e-7)


@pytest.mark.parametrize("graph", ["hdemucs", "hdemucs_magnitudes"])
def test_the_order_of_parameters_is_that_of_the_published_class(graph: str) -> None:
    template = load_template(graph)
    with torch_without_memory():
        peer: nn.Module = HDemucs(**template.arguments, rescale=0)
    names = [name for name, _ in peer.named_parameters()]
    assert published_order(tensor.name for tensor in template.tensors) == names == list(peer.state_dict())


def torch_without_memory() -> Any:
    import torch

    return torch.device("meta")


# A quantised tensor of 16 numbers, half of them with 3 bits and half with 2, and a plain one of 4 numbers.
TWO = {"quantised": (4, 4), "plain": (4,)}
LEVELS_OF_2, LEVELS_OF_3, MORE_BITS, PLAIN = range(4)


def arrays() -> list[NDArray[Any]]:
    levels = np.arange(8)
    plain = np.arange(4, dtype=np.float32)
    return [pack(levels % 4, 2), pack(levels, 3), pack(np.array([1, 0]), 1), plain]


def content(numbers: list[NDArray[Any]]) -> dict[str, Any]:
    tensors = [saved_tensor(key, values) for key, values in enumerate(numbers)]
    levels: list[Any] = [None, tensors[LEVELS_OF_2], tensors[LEVELS_OF_3], *[None] * 11]
    state = {
        "quantized": [(levels, (-1.0, 1.0), tensors[MORE_BITS])],
        "float16": [],
        "others": [tensors[PLAIN]],
        "meta": {
            "klass": Named("diffq.diffq", "DiffQuantizer"),
            "init_kwargs": {"min_size": 2**-15, "group_size": 8},
            "packed": True,
        },
        "__quantized": True,
    }
    return {
        "klass": Named("demucs.hdemucs", "HDemucs"),
        "args": (),
        "kwargs": {"sources": SOURCES},
        "state": state,
    }


def written(path: Path, whole: dict[str, Any], numbers: list[NDArray[Any]]) -> Path:
    path.write_bytes(archive(pickled(whole), {str(key): values for key, values in enumerate(numbers)}))
    return path


def read_all(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return dict(nameless(path).named(TWO))
    except PackageError as error:
        raise error.about(path) from error


def test_reads_groups_of_different_bits(tmp_path: Path) -> None:
    weights = read_all(written(tmp_path / "a.th", content(arrays()), arrays()))
    seven, three = np.arange(8) / 7 * 2 - 1, np.arange(8) % 4 / 3 * 2 - 1
    assert np.allclose(weights["quantised"].reshape(-1), [*seven, *three], atol=1e-6)
    assert np.array_equal(weights["plain"], np.arange(4))


State = dict[str, Any]


def settings(**changed: Any) -> Callable[[State], object]:
    return lambda state: state["meta"]["init_kwargs"].update(changed)


def tensor(index: int, values: NDArray[Any]) -> Callable[[list[NDArray[Any]]], object]:
    return lambda numbers: numbers.__setitem__(index, values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (settings(group_size=0), "invalid"),
        (settings(group_size=-8), "invalid"),
        (settings(group_size=True), "invalid"),
        (settings(group_size=1 << 40), "invalid"),
        (settings(group_size=3), "don't fit its network"),
        (settings(min_bits=0), "invalid"),
        (settings(min_bits=2.5), "invalid"),
        (settings(min_bits=99), "invalid"),
        (settings(min_bits=14), "bits are missing|don't fit its network|invalid"),
        (settings(min_size=-1), "invalid"),
        (settings(min_size="big"), "invalid"),
        (settings(min_size=float("nan")), "invalid"),
        (settings(min_size=1.0), "don't fit its network"),
        (settings(min_size=0), "don't fit its network"),
        (settings(float16=True), "settings"),
        (settings(exclude=["bias"]), "settings"),
        (lambda state: state["meta"].update(packed=False), "in a form"),
        (lambda state: state["meta"].update(torch_pack=True), "in a form"),
        (lambda state: state["meta"].update(klass="DiffQuantizer"), "in a form"),
        (lambda state: state["meta"].update(klass=Named("diffq.lsq", "LSQ")), "by LSQ"),
        (lambda state: state.pop("meta"), "in a form"),
        (lambda state: state.pop("others"), "invalid"),
        (lambda state: state.pop("quantized"), "invalid"),
        (lambda state: state.update(quantized=[]), "don't fit its network"),
        (lambda state: state.update(others=[]), "don't fit its network"),
        (lambda state: state.update(others=[1.0]), "invalid"),
        (lambda state: state["others"].append(state["others"][0]), "share"),
        (lambda state: state["quantized"].append(state["quantized"][0]), "share"),
        (lambda state: state["quantized"].append(state["quantized"]), "invalid"),
        (lambda state: state.update(quantized=[[[]] * 5000] * 5000), "invalid"),
        (lambda state: levels_of(state).pop(), "invalid"),
        (lambda state: levels_of(state).__setitem__(1, None), "invalid"),
        (lambda state: levels_of(state).reverse(), "invalid"),
        (lambda state: scale(state, (-1.0, float("inf"))), "invalid"),
        (lambda state: scale(state, (-1.7e308, 1.7e308)), "invalid"),
        (lambda state: scale(state, (-1e300, 1e300)), "infinite or NaN"),
        (lambda state: scale(state, (-1, 1)), "invalid"),
    ],
)
def test_rejects_invalid_descriptions(
    tmp_path: Path, change: Callable[[State], object], message: str
) -> None:
    whole = content(arrays())
    change(whole["state"])
    path = written(tmp_path / "a.th", whole, arrays())
    with pytest.raises(ModelError, match=message) as caught:
        read_all(path)
    assert "\n" not in caught.value.message


def levels_of(state: State) -> list[Any]:
    levels: list[Any] = state["quantized"][0][0]
    return levels


def scale(state: State, ends: tuple[float, float]) -> None:
    levels, _, bits = state["quantized"][0]
    state["quantized"][0] = (levels, ends, bits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (tensor(LEVELS_OF_2, np.zeros((2, 2, WORDS), np.int64)), "don't fit its network"),
        (tensor(LEVELS_OF_2, np.zeros((1, 3, WORDS), np.int64)), "invalid"),
        (tensor(LEVELS_OF_2, np.zeros((1, 2, 2 * WORDS), np.int64)), "invalid"),
        (tensor(LEVELS_OF_2, np.zeros((900, 2, WORDS), np.int64)), "don't fit its network"),
        (tensor(LEVELS_OF_2, np.zeros((2, WORDS), np.int64)), "invalid"),
        (tensor(LEVELS_OF_2, np.zeros((1, 2, WORDS), np.float32)), "invalid"),
        (tensor(MORE_BITS, np.zeros((1, 9, WORDS), np.int64)), "don't fit its network"),
        (tensor(MORE_BITS, np.zeros((0, 1, WORDS), np.int64)), "don't fit its network"),
        (tensor(MORE_BITS, pack(np.array([1, 1]), 1)), "invalid|fit"),
        (tensor(MORE_BITS, pack(np.array([1, 13]), 4)), "invalid|missing"),
        (tensor(PLAIN, np.zeros(5, np.float32)), "don't fit its network"),
        (tensor(PLAIN, np.zeros(4, np.int64)), "invalid"),
        (tensor(PLAIN, np.full(4, np.nan, np.float32)), "infinite or NaN"),
    ],
)
def test_rejects_invalid_numbers(
    tmp_path: Path, change: Callable[[list[NDArray[Any]]], object], message: str
) -> None:
    numbers = arrays()
    change(numbers)
    path = written(tmp_path / "a.th", content(numbers), numbers)
    with pytest.raises(ModelError, match=message) as caught:
        read_all(path)
    assert "\n" not in caught.value.message


def test_levels_of_15_bits_are_missing_in_the_files_of_diffq(tmp_path: Path) -> None:
    numbers = arrays()
    numbers[MORE_BITS] = pack(np.array([1, 13]), 4)
    whole = content(numbers)
    levels_of(whole["state"])[1] = None
    path = written(tmp_path / "a.th", whole, numbers)
    with pytest.raises(ModelError, match="15 bits are missing"):
        read_all(path)


@pytest.mark.parametrize("offset", range(100, 34_000, 997))
def test_damaged_and_truncated_files_are_one_clear_line(tmp_path: Path, offset: int) -> None:
    whole = (FOLDER / "grouped.th").read_bytes()
    flipped = bytearray(whole)
    flipped[offset] ^= 0x55
    path = tmp_path / "a.th"
    for damaged in (whole[:offset], bytes(flipped)):
        path.write_bytes(damaged)
        try:
            weights = dict(nameless(path).named(SHAPES))
        except ModelError as error:
            assert "\n" not in error.message
        except PackageError as error:
            assert "\n" not in str(error)
        else:  # padding of the zip file
            assert damaged is not whole[:offset]
            with np.load(FOLDER / "grouped.npz") as expected:
                assert all(np.array_equal(weights[key], expected[key]) for key in expected)


def test_reads_the_safetensors_form_of_demucs(tmp_path: Path) -> None:
    from demucs.hf import _unflatten_state
    from safetensors.numpy import save_file

    tensors = dict(zip("abcd", arrays(), strict=True))
    items = [None, {"_tensor": "a"}, {"_tensor": "b"}, *[None] * 11]
    levels = {"_tuple": [{"_list": items}, {"_tuple": [-1.0, 1.0]}, {"_tensor": "c"}]}
    meta = [
        ["klass", {"_class": "diffq.diffq.DiffQuantizer"}],
        ["init_kwargs", {"_dict": [["min_size", 2**-15], ["group_size", 8]]}],
        ["packed", True],
    ]
    structure: dict[str, Any] = {
        "_dict": [
            ["quantized", {"_list": [levels]}],
            ["float16", {"_list": []}],
            ["others", {"_list": [{"_tensor": "d"}]}],
            ["meta", {"_dict": meta}],
            ["__quantized", True],
        ]
    }
    theirs = _unflatten_state(tensors, structure["_dict"][0][1])
    assert theirs[0][1] == (-1.0, 1.0)
    assert theirs[0][2] is tensors["c"]
    metadata = {
        "klass": "demucs.hdemucs.HDemucs",
        "args": "[]",
        "kwargs": json.dumps({"sources": SOURCES}),
        "structure": json.dumps(structure),
    }
    save_file(tensors, tmp_path / "a.safetensors", metadata)
    same = read_all(written(tmp_path / "a.th", content(arrays()), arrays()))
    weights: Weights = nameless(tmp_path / "a.safetensors").named(TWO)
    assert {name: values.tobytes() for name, values in weights.items()} == {
        name: values.tobytes() for name, values in same.items()
    }
    meta[0][1] = {"_class": "os.system"}
    save_file(tensors, tmp_path / "b.safetensors", {**metadata, "structure": json.dumps(structure)})
    with pytest.raises(ModelError, match=r"os\.system"):
        read_package(tmp_path / "b.safetensors")


def test_integers_without_a_structure_are_no_weights(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    metadata = {"klass": "demucs.hdemucs.HDemucs", "args": "[]", "kwargs": json.dumps({"sources": SOURCES})}
    save_file({"a": arrays()[LEVELS_OF_2]}, tmp_path / "a.safetensors", metadata)
    with pytest.raises(ModelError, match="'I64'"):
        read_package(tmp_path / "a.safetensors")
