"""Export the graphs of all registered architectures, without weights, for the package.

python -m unbraid.networks.export_graphs [FOLDER]

For each graph in `unbraid.models.architectures` it writes two files:

- `NAME.onnx`, the structure. Every parameter is an initialiser in float32, or in float16 with a cast to float32, as
  published. It has its name in the published state dict, and its values are in the file `weights.bin` beside the graph.
  Nothing is computed from parameters in advance, so one graph fits all weights of its architecture.
- `NAME.json`, the table that `unbraid.models.graphs` reads: `description`, `arguments` and `defaults` of the
  `GraphSpec`; `class`, the architecture's class name; `tensors`, the place of each published tensor in `weights.bin`,
  in bytes. Tensors are stored as published, in C order.
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
from onnx_ir.passes import common as passes
from torch import Tensor, nn

from unbraid.models.architectures import ARCHITECTURES, Architecture, GraphSpec
from unbraid.models.folder import MIXTURE, SPECTRA, SPECTRUM, WAVEFORMS
from unbraid.networks.build import build_network
from unbraid.networks.onnx_weights import ALIGNMENT, OPSET, external_tensor, serialise

FOLDER = Path(__file__).parents[1] / "models" / "graphs"
TRACED = 10_000  # samples of the example input; any number works
TRACED_FRAMES = (
    64  # of the example input for networks that read spectra alone; Spleeter needs a multiple of 64
)


def layout(state: Mapping[str, Tensor], number_size: int = 2) -> list[dict[str, Any]]:
    """Lay out `weights.bin`: name, shape, offset and length in bytes of each tensor.

    `number_size`: bytes of a number, 2 for float16 and 4 for float32.
    """
    tensors, offset = [], 0
    for name, value in state.items():
        length = number_size * value.numel()
        tensors.append({"name": name, "shape": list(value.shape), "offset": offset, "length": length})
        offset += length + -length % ALIGNMENT
    return tensors


def example_inputs(description: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return silence in the shapes of the network's inputs."""
    stft = description["stft"]
    bins = stft["n_fft"] // 2 + (stft["edges"] == "centred")
    frames = -(-TRACED // stft["hop"]) if MIXTURE in description["inputs"] else TRACED_FRAMES
    shapes = {MIXTURE: (1, 2, TRACED), SPECTRUM: (1, 2, bins, frames, 2)}
    return {name: torch.zeros(shapes[name]) for name in description["inputs"]}


def to_onnx(network: nn.Module, description: Mapping[str, Any]) -> onnx.ModelProto:
    """Return the network's graph for mixtures of any length, with its parameters as inputs.

    Uses the exporter that traces. PyTorch's newer exporter takes ten minutes, because each layer rounds lengths up.
    """
    with torch.no_grad():
        for k, parameter in enumerate(network.parameters()):
            parameter.fill_(k)  # the exporter would merge equal parameters
    traced = io.BytesIO()
    inputs = example_inputs(description)
    lengths = {
        MIXTURE: [2],
        SPECTRUM: [3],
        WAVEFORMS: [3],
        SPECTRA: [4],
    }  # their dimensions that depend on the length
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            tuple(inputs.values()),
            cast(Any, traced),  # a file object, which the annotation doesn't allow
            input_names=list(inputs),
            output_names=description["outputs"],
            dynamic_axes={name: lengths[name] for name in (*inputs, *description["outputs"])},
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
    """Return the content of `NAME.onnx`, in which the parameters are external initialisers instead of inputs."""
    graph = model.graph
    inputs = [value for value in graph.input if value.name in (MIXTURE, SPECTRUM)]
    del graph.input[:]
    graph.input.extend(inputs)
    for place in tensors:
        graph.initializer.append(
            external_tensor(place["name"], place["shape"], place["offset"], place["length"])
        )
    for value in (*graph.input, *graph.output, *graph.initializer):
        del value.metadata_props[:]
    return serialise(model, [place["name"] for place in tensors])


def export(architecture: Architecture, graph: GraphSpec, folder: Path) -> None:
    """Write `NAME.onnx` and `NAME.json`, over older files."""
    network = build_network(architecture, len(graph.arguments["sources"]), graph.arguments)
    tensors = layout(network.state_dict(), 4 if architecture.float32 else 2)
    model = to_onnx(network, graph.description)
    (folder / f"{graph.name}.onnx").write_bytes(without_weights(model, tensors))
    table = {
        "description": graph.description,
        "class": architecture.class_name,
        "arguments": graph.arguments,
        "defaults": graph.defaults,
    }
    # One line for each tensor, so that diffs are readable.
    lines = ",\n    ".join(json.dumps(tensor) for tensor in tensors)
    text = json.dumps(table, indent=2).removesuffix("\n}") + f',\n  "tensors": [\n    {lines}\n  ]\n}}\n'
    (folder / f"{graph.name}.json").write_text(text)


def main() -> None:
    graphs = {graph.name: (known, graph) for known in ARCHITECTURES for graph in known.graphs}
    parser = argparse.ArgumentParser(prog="python -m unbraid.networks.export_graphs", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--only", choices=list(graphs))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, (architecture, graph) in graphs.items():
        if args.only in (None, name):
            export(architecture, graph, args.folder)


if __name__ == "__main__":
    main()
