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
from onnx import TensorProto, numpy_helper

from unbraid.models.folder import DESCRIPTION, GRAPH, WEIGHTS
from unbraid.models.lite import BINS, HOP, N_FFT, SAMPLE_RATE
from unbraid.networks.checkpoint import averaged_network, save_average
from unbraid.networks.lite import SOURCES, Lite
from unbraid.networks.onnx_weights import ALIGNMENT, OPSET, external_tensor, serialise

SMALLEST = 64  # initialisers with fewer elements (shapes, scalars) stay in the graph
SEGMENT_S = 10
OVERLAP = 0.1


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


def halve_weights(model: onnx.ModelProto) -> tuple[bytes, bytes]:
    """Move the float32 initialisers out of the graph, in float16. Return the graph and the content of `weights.bin`."""
    weights, names = bytearray(), []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST:
            continue
        values = numpy_helper.to_array(tensor).astype(np.float16)
        weights += bytes(-len(weights) % ALIGNMENT)
        names.append(tensor.name)
        tensor.CopyFrom(external_tensor(tensor.name, values.shape, len(weights), values.nbytes))
        weights += values.tobytes()
    return serialise(model, names), bytes(weights)


def export(network: Lite, folder: Path, version: str) -> None:
    """Write the model folder, over older files."""
    folder.mkdir(parents=True, exist_ok=True)
    content = dict(zip((GRAPH, WEIGHTS), halve_weights(to_onnx(network)), strict=True))
    for name, file in content.items():
        (folder / name).write_bytes(file)
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
        "sha256": {name: hashlib.sha256(file).hexdigest() for name, file in content.items()},
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")


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
