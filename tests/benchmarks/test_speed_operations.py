"""Counts of operations agree with counts by hand, and with the operations of the compiled graph."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from importlib import import_module
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


@pytest.fixture(scope="module")
def operations(benchmarks: None) -> ModuleType:
    return import_module("speed_operations")


@pytest.fixture(scope="module")
def opset() -> ModuleType:
    import_openvino()
    return import_module("openvino.opset13")


@pytest.fixture(scope="module")
def htdemucs(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The published network with weights of zero."""
    template, folder = load_template("htdemucs"), tmp_path_factory.mktemp("htdemucs")
    (folder / GRAPH).write_bytes(template.graph.read_bytes())
    last = template.tensors[-1]
    (folder / "weights.bin").write_bytes(bytes(last.offset + last.length))
    description = {**template.description, "name": "htdemucs", "version": "0", "licence": "none"}
    description["sha256"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (GRAPH, "weights.bin")
    }
    (folder / DESCRIPTION).write_text(json.dumps(description))
    return load_model_folder(folder)


def counted(operations: ModuleType, opset: ModuleType, kind: str, *shapes: list[int], **how: Any) -> int:
    """Count the operations of a graph of one node with inputs of these shapes."""
    inputs = [opset.parameter(shape, np.float32) for shape in shapes]
    result = getattr(opset, kind)(*inputs, **how)
    (found,) = operations.by_kind(operations.count(import_openvino().Model([result], inputs))).values()
    return int(found)


@pytest.mark.parametrize(
    ("left", "right", "transposed"),
    [
        ([2, 5, 7], [2, 7, 3], (False, False)),
        ([2, 7, 5], [2, 7, 3], (True, False)),
        ([2, 5, 7], [3, 7], (False, True)),
    ],
)
def test_matrix_product_has_a_pair_for_each_shared_index(
    operations: ModuleType,
    opset: ModuleType,
    left: list[int],
    right: list[int],
    transposed: tuple[bool, bool],
) -> None:
    how = {"transpose_a": transposed[0], "transpose_b": transposed[1]}
    assert counted(operations, opset, "matmul", left, right, **how) == 2 * (2 * 5 * 3) * 7


def test_convolution_has_a_pair_for_each_kernel_weight(operations: ModuleType, opset: ModuleType) -> None:
    how = {"strides": [2, 2], "pads_begin": [1, 1], "pads_end": [1, 1], "dilations": [1, 1]}
    plain = counted(operations, opset, "convolution", [1, 4, 10, 10], [8, 4, 3, 3], **how)
    assert plain == 2 * (8 * 5 * 5) * (4 * 3 * 3)
    grouped = counted(operations, opset, "group_convolution", [1, 4, 10, 10], [2, 4, 2, 3, 3], **how)
    assert grouped == plain // 2


def test_transposed_convolution_costs_as_much_as_its_inverse(
    operations: ModuleType, opset: ModuleType
) -> None:
    how = {"strides": [4], "pads_begin": [0], "pads_end": [0], "dilations": [1]}
    forward = counted(operations, opset, "convolution", [1, 6, 40], [8, 6, 4], **how)
    backward = counted(operations, opset, "convolution_backprop_data", [1, 8, 10], [8, 6, 4], strides=[4])
    assert backward == forward == 2 * (8 * 10) * (6 * 4)


def test_rejects_nodes_that_it_cannot_count(operations: ModuleType, opset: ModuleType) -> None:
    inputs = [opset.parameter([3, 4], np.float32), opset.parameter([4, 5], np.float32)]
    graph = import_openvino().Model([opset.einsum(inputs, "ij,jk->ik")], inputs)
    with pytest.raises(ValueError, match="can't count Einsum"):
        operations.count(graph)


def test_segment_of_htdemucs_has_336_gflop_of_which_212_are_in_the_transformer(
    operations: ModuleType, htdemucs: Model
) -> None:
    found = operations.count(operations.one_segment(htdemucs))
    assert sum(value for _, value in found.values()) / GFLOP == pytest.approx(336.0, abs=0.05)

    # Tokens: 8 bins of 336 frames, and the waveform's 343980 samples / 4^4. Each branch has five layers of 512 values,
    # with four projections and two layers of 2048 values. Three attend to their own tokens, two to the other branch.
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


def test_every_operation_of_htdemucs_belongs_to_a_part(operations: ModuleType, htdemucs: Model) -> None:
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
    # Includes a transposed convolution without a node name: to 16 channels, with a kernel of 8.
    assert found["spectral decoder"] > 2 * (48 * 512 * 336) * (16 * 8) + 4 * 2 * 7.13 * GFLOP


def test_few_operations_of_htdemucs_use_floats(operations: ModuleType, htdemucs: Model) -> None:
    # Floats are used in: the spectral encoder without its residual branches, where each level after the first has
    # equal work (a quarter of the frequencies, twice the channels); the last convolutions; the whole waveform
    # encoder; and in other residual branches the gram matrices and the expansion, with equal work on every level:
    # 48 to 384 channels, an eighth of them narrow, two branches.
    graph, narrow = operations.one_segment(htdemucs), 48 // 8
    first = 2 * 48 * 8 * 512 * 336 * 4
    last = 2 * 48 * 8 * (512 * 336 * 16 + 85995 * 8)
    up = 4 * 2 * 2 * (2 * 512 * 336 + 85995) * narrow * 96
    encoder = 3 * 2 * 96 * 8 * 48 * 128 * 336 + 4 * 2 * 96 * 48 * 512 * 336
    least = first + encoder + last + up + operations.parts(graph)["waveform encoder"]
    assert least < operations.as_floats(graph) < 1.1 * least


def test_profile_finds_all_operations_in_the_compiled_graph(
    operations: ModuleType,
) -> None:
    profile_of = import_module("speed_profile")
    model = replace(find_model("lite"), segment=44100)
    create = import_openvino().CompiledModel.create_infer_request
    profile = profile_of.profile_segment(model, jobs=1, runs=1)
    assert sum(step.gflop for step in profile.steps) == pytest.approx(profile.gflop, rel=1e-3)
    assert 0 < profile_of.total(profile.steps) < profile.wall_s
    convolutions = [step for step in profile.steps if step.kind == "Convolution"]
    (row,) = (line for line in profile_of.lines(profile, "kind", 30) if line.endswith("  Convolution"))
    assert int(row.split()[2]) == len(convolutions) > 0
    assert import_openvino().CompiledModel.create_infer_request is create


def test_native_engine_reports_the_time_of_each_part(operations: ModuleType, htdemucs: Model) -> None:
    if native_library() is None:
        pytest.skip("the native library isn't built, or does not support this processor")
    parts_of = import_module("speed_parts")
    run = NativeHTDemucs.run
    taken = parts_of.native_parts(replace(htdemucs, segment=30 * 1024), jobs=1, runs=1)
    assert NativeHTDemucs.run is run
    assert tuple(taken.seconds) == STAGES
    assert all(value > 0 for value in taken.seconds.values())
    assert 0.5 * taken.wall_s < sum(taken.seconds.values()) < taken.wall_s
    table = parts_of.comparison(taken, {"attention": 0.25, "other": 0.75})
    assert [line[:20].strip() for line in table[3:]] == [*STAGES, "other", "all"]
    (attention,) = (line.split() for line in table if line.startswith("attention"))
    assert attention[-3:-1] == ["250.0", "25.0"]
