"""Write the graphs of the published networks, without weights, as the package ships them.

python -m unbraid.networks.export_published [FOLDER]

For each of `PUBLISHED` there is

- `NAME.onnx`, the structure. Every parameter is an initialiser of the name that it has in the published state
  dict, in float16, which lies in a file `weights.bin` beside the graph, followed by a cast to float32. Nothing is
  computed from parameters beforehand, so one graph serves all weights of its architecture.
- `NAME.json`: `description`, the `model.json` that such a network has (without its name, version, licence and
  checksums); `class`, `arguments` and `defaults`, what a package must have been constructed with for this graph
  (see `models/graphs.py`); `tensors`, where in `weights.bin` each tensor of the published state dict goes, in bytes.
  All are stored as they are published, row by row.
"""

import argparse
import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import onnx
import onnx_ir as ir
import torch
from onnx import TensorProto, helper
from onnx_ir.passes import common as passes
from torch import Tensor, nn

from unbraid.networks.published import PUBLISHED, Published

OPSET = 20
ALIGNMENT = 64  # bytes; every tensor starts at a multiple, so that it can be mapped
FOLDER = Path(__file__).parents[1] / "models" / "graphs"
WEIGHTS = "weights.bin"
TRACED = 10_000  # samples of the example; any number would do


def layout(state: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """Where in `weights.bin` each tensor goes, in float16: name, shape, offset and length in bytes."""
    tensors, offset = [], 0
    for name, value in state.items():
        length = 2 * value.numel()
        tensors.append({"name": name, "shape": list(value.shape), "offset": offset, "length": length})
        offset += length + -length % ALIGNMENT
    return tensors


def to_onnx(network: nn.Module) -> onnx.ModelProto:
    """The network's graph for mixtures of any length; its parameters are inputs.

    It is traced, as PyTorch's newer exporter takes ten minutes to reason about lengths that each layer rounds up.
    """
    with torch.no_grad():
        for k, parameter in enumerate(network.parameters()):
            parameter.fill_(k)  # equal ones would be taken for one
    traced = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 2, TRACED), torch.zeros(1, 2, 2048, -(-TRACED // 1024), 2)),
            cast(Any, traced),  # it takes files too
            input_names=["mixture", "spectrum"],
            output_names=["waveforms", "spectra"],
            dynamic_axes={"mixture": [2], "spectrum": [3], "waveforms": [3], "spectra": [4]},
            export_params=False,
            do_constant_folding=False,
            opset_version=OPSET,
            dynamo=False,
        )
    model = ir.from_proto(onnx.load_from_string(traced.getvalue()))
    for tidy in (
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.RemoveUnusedNodesPass(),
    ):
        tidy(model)
    return ir.to_proto(model)


def without_weights(model: onnx.ModelProto, tensors: list[dict[str, Any]]) -> bytes:
    """The file `NAME.onnx`: parameters made initialisers that lie outside, names of nodes and notes dropped."""
    graph, casts = model.graph, []
    inputs = [value for value in graph.input if value.name in ("mixture", "spectrum")]
    del graph.input[:]
    graph.input.extend(inputs)
    for place in tensors:
        stored = TensorProto(
            name=f"{place['name']}.float16",
            data_type=TensorProto.FLOAT16,
            dims=place["shape"],
            data_location=TensorProto.EXTERNAL,
        )
        for key, value in (("location", WEIGHTS), ("offset", place["offset"]), ("length", place["length"])):
            stored.external_data.add(key=key, value=str(value))
        graph.initializer.append(stored)
        casts.append(helper.make_node("Cast", [stored.name], [place["name"]], to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*graph.input, *graph.output, *graph.initializer):
        del value.metadata_props[:]
    del graph.value_info[:], model.metadata_props[:], graph.metadata_props[:]
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def export(published: Published, folder: Path) -> None:
    """Write `NAME.onnx` and `NAME.json`; what stood there is replaced."""
    network = published.network()
    tensors = layout(network.state_dict())
    described = published.description
    model = to_onnx(network)
    (folder / f"{published.name}.onnx").write_bytes(without_weights(model, tensors))
    written = {
        "description": described,
        "class": published.class_name,
        "arguments": published.arguments,
        "defaults": published.defaults,
    }
    # One line a tensor: the list can be read, and compared.
    lines = ",\n    ".join(json.dumps(tensor) for tensor in tensors)
    text = json.dumps(written, indent=2).removesuffix("\n}") + f',\n  "tensors": [\n    {lines}\n  ]\n}}\n'
    (folder / f"{published.name}.json").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m unbraid.networks.export_published", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--only", choices=[published.name for published in PUBLISHED])
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for published in PUBLISHED:
        if args.only in (None, published.name):
            export(published, args.folder)


if __name__ == "__main__":
    main()
