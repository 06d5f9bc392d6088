"""Export a trained `Lite` network as a model folder: `graph.onnx` (structure), `weights.bin` (float16), `model.json`.

python -m unbraid.networks.export_lite CHECKPOINT FOLDER
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from unbraid.networks.checkpoint import averaged_network, save_average
from unbraid.networks.lite import BINS, HOP, N_FFT, SAMPLE_RATE, SOURCES, Lite

OPSET = 20
SMALLEST = 64  # initialisers with fewer elements (shapes, scalars) stay in the graph
SEGMENT_S = 10
OVERLAP = 0.1
ALIGNMENT = 64  # bytes; every tensor starts at a multiple, so that it can be mapped


def to_onnx(network: Lite) -> onnx.ModelProto:
    """Return the network's graph with its weights inside, in float32. Batch and frames are dynamic."""
    spectrum = torch.randn(2, 2, BINS, 12, 2)
    dynamic = {"spectrum": {0: torch.export.Dim("batch"), 3: torch.export.Dim("frames", min=4)}}
    program = torch.onnx.export(
        network.eval(),
        (spectrum,),
        input_names=["spectrum"],
        output_names=["spectra"],
        dynamic_shapes=dynamic,
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.optimize()
    return program.model_proto


def halve_weights(model: onnx.ModelProto) -> bytes:
    """Move the float32 initialisers out of the graph, as float16 followed by a cast.

    Return the content of `weights.bin`.
    """
    graph, weights, casts = model.graph, bytearray(), []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST:
            continue
        values = numpy_helper.to_array(tensor).astype(np.float16)
        weights += bytes(-len(weights) % ALIGNMENT)
        name, stored = tensor.name, f"{tensor.name}.float16"
        external = {"location": "weights.bin", "offset": len(weights), "length": values.nbytes}
        weights += values.tobytes()
        tensor.Clear()
        tensor.name, tensor.data_type = stored, TensorProto.FLOAT16
        tensor.dims.extend(values.shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in external.items():
            tensor.external_data.add(key=key, value=str(value))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    return bytes(weights)


def export(network: Lite, folder: Path, version: str) -> None:
    """Write the model folder, over older files."""
    folder.mkdir(parents=True, exist_ok=True)
    model = to_onnx(network)
    weights = halve_weights(model)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    graph = model.SerializeToString(deterministic=True)
    (folder / "graph.onnx").write_bytes(graph)
    (folder / "weights.bin").write_bytes(weights)
    description = {
        "name": "lite",
        "version": version,
        "sources": list(SOURCES),
        "sample_rate": SAMPLE_RATE,
        "channels": 2,
        "segment": SEGMENT_S * SAMPLE_RATE,
        "overlap": OVERLAP,
        "normalise": "scale",
        "stft": {"n_fft": N_FFT, "hop": HOP},
        "inputs": ["spectrum"],
        "outputs": ["spectra"],
        "licence": "MIT",
        "sha256": {
            "graph.onnx": hashlib.sha256(graph).hexdigest(),
            "weights.bin": hashlib.sha256(weights).hexdigest(),
        },
    }
    (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m unbraid.networks.export_lite", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--version", default="1")
    parser.add_argument(
        "--keep", type=Path, help="also write the weights as a file that training can start from"
    )
    args = parser.parse_args()
    network = averaged_network(args.checkpoint)
    export(network, args.folder, args.version)
    if args.keep:
        save_average(args.keep, network)


if __name__ == "__main__":
    main()
