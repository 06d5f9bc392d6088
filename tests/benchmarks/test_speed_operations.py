"""Operations of a network are counted as one would by hand, and the profile finds them again in what is compiled."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from unbraid.models import find_model
from unbraid.models.folder import DESCRIPTION, GRAPH, Model, load_model_folder
from unbraid.models.graphs import load_template
from unbraid.native.htdemucs import NativeHTDemucs
from unbraid.native.library import STAGES, native_library
from unbraid.separation.runtimes.openvino import import_openvino

GFLOP = 10**9


@pytest.fixture(scope="module", autouse=True)
def benchmarks() -> Iterator[None]:
    """Their folder is where modules are looked for."""
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    yield
    sys.path.remove(folder)


@pytest.fixture(scope="module")
def operations(benchmarks: None) -> ModuleType:
    return import_module("speed_operations")


@pytest.fixture(scope="module")
def opset() -> ModuleType:
    import_openvino()
    return import_module("openvino.opset13")


@pytest.fixture(scope="module")
def htdemucs(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The published network with nothing but zeros for weights."""
    template, folder = load_template("htdemucs"), tmp_path_factory.mktemp("htdemucs")
    (folder / GRAPH).write_bytes(template.graph.read_bytes())
    last = template.tensors[-1]
    (folder / "weights.bin").write_bytes(bytes(last.offset + last.length))
    described = {**template.description, "name": "htdemucs", "version": "0", "licence": "none"}
    described["sha256"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (GRAPH, "weights.bin")
    }
    (folder / DESCRIPTION).write_text(json.dumps(described))
    return load_model_folder(folder)


def counted(operations: ModuleType, opset: ModuleType, kind: str, *shapes: list[int], **how: Any) -> int:
    """Operations of a graph of one node whose inputs have these shapes."""
    given = [opset.parameter(shape, np.float32) for shape in shapes]
    result = getattr(opset, kind)(*given, **how)
    (found,) = operations.by_kind(operations.count(import_openvino().Model([result], given))).values()
    return int(found)


@pytest.mark.parametrize(
    ("left", "right", "transposed"),
    [
        ([2, 5, 7], [2, 7, 3], (False, False)),
        ([2, 7, 5], [2, 7, 3], (True, False)),
        ([2, 5, 7], [3, 7], (False, True)),
    ],
)
def test_each_value_of_a_matrix_product_takes_as_many_pairs_as_the_matrices_share(
    operations: ModuleType,
    opset: ModuleType,
    left: list[int],
    right: list[int],
    transposed: tuple[bool, bool],
) -> None:
    how = {"transpose_a": transposed[0], "transpose_b": transposed[1]}
    assert counted(operations, opset, "matmul", left, right, **how) == 2 * (2 * 5 * 3) * 7


def test_each_value_of_a_convolution_takes_a_pair_for_every_weight_of_its_kernel(
    operations: ModuleType, opset: ModuleType
) -> None:
    how = {"strides": [2, 2], "pads_begin": [1, 1], "pads_end": [1, 1], "dilations": [1, 1]}
    plain = counted(operations, opset, "convolution", [1, 4, 10, 10], [8, 4, 3, 3], **how)
    assert plain == 2 * (8 * 5 * 5) * (4 * 3 * 3)
    grouped = counted(operations, opset, "group_convolution", [1, 4, 10, 10], [2, 4, 2, 3, 3], **how)
    assert grouped == plain // 2


def test_a_transposed_convolution_takes_what_the_convolution_that_undoes_it_takes(
    operations: ModuleType, opset: ModuleType
) -> None:
    how = {"strides": [4], "pads_begin": [0], "pads_end": [0], "dilations": [1]}
    there = counted(operations, opset, "convolution", [1, 6, 40], [8, 6, 4], **how)
    back = counted(operations, opset, "convolution_backprop_data", [1, 8, 10], [8, 6, 4], strides=[4])
    assert back == there == 2 * (8 * 10) * (6 * 4)


def test_what_it_cant_count_is_an_error_and_not_nothing(operations: ModuleType, opset: ModuleType) -> None:
    given = [opset.parameter([3, 4], np.float32), opset.parameter([4, 5], np.float32)]
    graph = import_openvino().Model([opset.einsum(given, "ij,jk->ik")], given)
    with pytest.raises(ValueError, match="can't count Einsum"):
        operations.count(graph)


def test_a_segment_of_htdemucs_takes_336_gflop_of_which_212_are_its_transformer(
    operations: ModuleType, htdemucs: Model
) -> None:
    found = operations.count(operations.one_segment(htdemucs))
    assert sum(value for _, value in found.values()) / GFLOP == pytest.approx(336.0, abs=0.05)

    # Tokens: 8 bins of 336 frames, and the waveform's 343980 samples by 4^4. Five layers of 512 values for each
    # of both: four projections, two layers of 2048 values; three attend to their own tokens, two to the other's.
    spectral, temporal, values, hidden = 8 * 336, 1344, 512, 2048
    tokens = spectral + temporal
    linear = 5 * 2 * tokens * (4 * values**2 + 2 * values * hidden)
    own = 3 * 2 * 2 * (spectral**2 + temporal**2) * values
    other = 2 * 2 * 2 * (2 * spectral * temporal) * values
    assert operations.by_kind(found)["MatMul"] == pytest.approx(linear + own + other, rel=1e-3)

    # The first layers: kernels of 8, strides of 4, to 48 channels; of 2048 bins of 2 complex channels, and of samples.
    (spectrum,) = (value for name, (_, value) in found.items() if name.startswith("/encoder.0/conv/Conv"))
    (waveform,) = (value for name, (_, value) in found.items() if name.startswith("/tencoder.0/conv/Conv"))
    assert spectrum == 2 * (48 * 512 * 336) * (4 * 8)
    assert waveform == 2 * (48 * 85995) * (2 * 8)


def test_every_operation_of_htdemucs_is_in_a_part_of_it(operations: ModuleType, htdemucs: Model) -> None:
    graph = operations.one_segment(htdemucs)
    found = operations.parts(graph)
    whole = sum(value for _, value in operations.count(graph).values())
    assert "other" not in found
    assert sum(found.values()) == whole

    spectral, temporal, values, hidden = 8 * 336, 1344, 512, 2048
    scores = 3 * (spectral**2 + temporal**2) + 2 * (2 * spectral * temporal)
    assert found["attention"] == pytest.approx(2 * 2 * scores * values, rel=1e-3)
    fed = 5 * 2 * (spectral + temporal) * (values**2 + 2 * values * hidden)
    assert found["feed-forward"] == pytest.approx(fed, rel=1e-3)
    # A transposed convolution, whose node has no name: to 16 channels, with a kernel of 8.
    assert found["spectral decoder"] > 2 * (48 * 512 * 336) * (16 * 8) + 4 * 2 * 7.13 * GFLOP


def test_few_operations_of_htdemucs_are_left_to_floats(operations: ModuleType, htdemucs: Model) -> None:
    # The spectrogram's encoder but for its residual branches, where each level but the first takes as much as the
    # next, having a quarter of the frequencies and twice the channels; the last convolutions; all of the waveform's
    # encoder; and of the other residual branches the gram matrices and the way up, which takes as much on every
    # level: 48 to 384 channels, an eighth of them narrow, two branches.
    graph, narrow = operations.one_segment(htdemucs), 48 // 8
    first = 2 * 48 * 8 * 512 * 336 * 4
    last = 2 * 48 * 8 * (512 * 336 * 16 + 85995 * 8)
    up = 4 * 2 * 2 * (2 * 512 * 336 + 85995) * narrow * 96
    encoder = 3 * 2 * 96 * 8 * 48 * 128 * 336 + 4 * 2 * 96 * 48 * 512 * 336
    least = first + encoder + last + up + operations.parts(graph)["waveform encoder"]
    assert least < operations.as_floats(graph) < 1.1 * least


def test_the_profile_of_a_segment_finds_all_operations_in_what_the_engine_compiled(
    operations: ModuleType,
) -> None:
    profile_of = import_module("speed_profile")
    model = replace(find_model("lite"), segment=44100)
    create = import_openvino().CompiledModel.create_infer_request
    profile = profile_of.profiled(model, jobs=1, runs=1)
    assert sum(step.gflop for step in profile.steps) == pytest.approx(profile.gflop, rel=1e-3)
    assert 0 < profile_of.total(profile.steps) < profile.wall_s
    convolutions = [step for step in profile.steps if step.kind == "Convolution"]
    (row,) = (line for line in profile_of.lines(profile, "kind", 30) if line.endswith("  Convolution"))
    assert int(row.split()[2]) == len(convolutions) > 0
    assert import_openvino().CompiledModel.create_infer_request is create


def test_the_native_engine_tells_what_each_part_took(operations: ModuleType, htdemucs: Model) -> None:
    if native_library() is None:
        pytest.skip("the native library isn't built, or this processor isn't one for it")
    parts_of = import_module("speed_parts")
    run = NativeHTDemucs.run
    taken = parts_of.native_parts(replace(htdemucs, segment=30 * 1024), jobs=1, runs=1)
    assert NativeHTDemucs.run is run
    assert tuple(taken.seconds) == STAGES
    assert all(value > 0 for value in taken.seconds.values())
    assert 0.5 * taken.wall_s < sum(taken.seconds.values()) < taken.wall_s
    table = parts_of.beside(taken, {"attention": 0.25, "other": 0.75})
    assert [line[:20].strip() for line in table[3:]] == [*STAGES, "other", "all"]
    (attention,) = (line.split() for line in table if line.startswith("attention"))
    assert attention[-3:-1] == ["250.0", "25.0"]
