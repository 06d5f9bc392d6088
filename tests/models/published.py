"""Write packages in the formats of published Demucs models, from seeded weights."""

from __future__ import annotations

import copyreg
import hashlib
import io
import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unbraid.models import graphs

State = Mapping[str, NDArray[np.floating[Any]]]

SOURCES = ["drums", "bass", "other", "vocals"]

# All constructor arguments in the published files, including those that don't change the network.
BOTH: dict[str, Any] = {
    "sources": SOURCES,
    "audio_channels": 2,
    "samplerate": 44100,
    "channels": 48,
    "channels_time": None,
    "growth": 2,
    "nfft": 4096,
    "wiener_iters": 0,
    "end_iters": 0,
    "wiener_residual": False,
    "cac": True,
    "rewrite": True,
    "multi_freqs": [],
    "multi_freqs_depth": 3,
    "freq_emb": 0.2,
    "emb_scale": 10,
    "emb_smooth": True,
    "kernel_size": 8,
    "stride": 4,
    "time_stride": 2,
    "context": 1,
    "context_enc": 0,
    "norm_starts": 4,
    "norm_groups": 4,
    "dconv_depth": 2,
    "dconv_init": 0.001,
    "rescale": 0.1,
}
HTDEMUCS: dict[str, Any] = {
    **BOTH,
    "segment": Fraction(39, 5),
    "depth": 4,
    "dconv_mode": 3,
    "dconv_comp": 8,
    "bottom_channels": 512,
    "t_layers": 5,
    "t_hidden_scale": 4.0,
    "t_heads": 8,
    "t_dropout": 0.02,
    "t_layer_scale": True,
    "t_gelu": True,
    "t_emb": "sin",
    "t_max_positions": 10000,
    "t_max_period": 10000.0,
    "t_weight_pos_embed": 1.0,
    "t_cape_mean_normalize": True,
    "t_cape_augment": True,
    "t_cape_glob_loc_scale": [5000.0, 1.0, 1.4],
    "t_sin_random_shift": 0,
    "t_norm_in": True,
    "t_norm_in_group": False,
    "t_group_norm": False,
    "t_norm_first": True,
    "t_norm_out": True,
    "t_weight_decay": 0.0,
    "t_lr": None,
    "t_sparse_self_attn": False,
    "t_sparse_cross_attn": False,
    "t_mask_type": "diag",
    "t_mask_random_seed": 42,
    "t_sparse_attn_window": 400,
    "t_global_window": 100,
    "t_sparsity": 0.95,
    "t_auto_sparsity": False,
    "t_cross_first": False,
}
HTDEMUCS_6S = {**HTDEMUCS, "sources": [*SOURCES, "guitar", "piano"], "bottom_channels": 0}
HDEMUCS_MMI: dict[str, Any] = {
    **BOTH,
    "segment": 44,
    "depth": 6,
    "hybrid": True,
    "hybrid_old": False,
    "dconv_mode": 1,
    "dconv_comp": 4,
    "dconv_attn": 4,
    "dconv_lstm": 4,
}

# The record of the training that `demucs` saves with the weights: settings, and scores on validation and test songs.
TRAINING = {"epochs": 360, "optim": {"lr": 3e-4, "beta2": 0.999}, "dset": {"wav": None, "sources": SOURCES}}
SCORES = ({"loss": 0.1, "nsdr": np.float64(9.0)}, {"nsdr_vocals": np.float32(8.5)})


def draw(
    shapes: Mapping[str, tuple[int, ...]], seed: int = 0, dtype: str = "float16"
) -> dict[str, NDArray[Any]]:
    """Draw seeded weights, normal with the deviation 0.05."""
    random = np.random.default_rng(seed)
    return {
        name: np.asarray(random.standard_normal(shape, np.float32) * np.float32(0.05), dtype)
        for name, shape in shapes.items()
    }


def write_th(
    path: Path, state: State, arguments: Mapping[str, Any] = HTDEMUCS, class_name: str = "HTDemucs"
) -> Path:
    """Save a package with the installed PyTorch. Needs torch and demucs."""
    import demucs.hdemucs
    import demucs.htdemucs
    import torch

    classes = {"HTDemucs": demucs.htdemucs.HTDemucs, "HDemucs": demucs.hdemucs.HDemucs}
    tensors = {name: torch.from_numpy(values) for name, values in state.items()}
    torch.save({"klass": classes[class_name], "args": (), "kwargs": dict(arguments), "state": tensors}, path)
    return path


def write_safetensors(
    path: Path, state: State, arguments: Mapping[str, Any] = HTDEMUCS, class_name: str = "HTDemucs"
) -> Path:
    """Save a package with the library `safetensors`, with class and arguments as in published files."""
    from safetensors.numpy import save_file

    def encode(value: Fraction) -> dict[str, Any]:
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}

    metadata = {
        "klass": f"demucs.{class_name.lower()}.{class_name}",
        "args": "[]",
        "kwargs": json.dumps(dict(arguments), default=encode),
    }
    save_file(dict(state), path, metadata)
    return path


class Named:
    """A name in a pickle, such as `demucs.htdemucs HTDemucs`, without importing it."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        """Never called, but the pickler requires a callable."""
        raise AssertionError


class Call:
    """A call in a pickle."""

    def __init__(self, function: Named, *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.reduced


class StoredElsewhere:
    """A storage, which a pickle refers to by a persistent id."""

    def __init__(self, *name: Any) -> None:
        self.name = name


# The pickler in C can't write names of missing modules.
class Pickler(pickle._Pickler):
    """Write protocol 2, as `torch.save` does."""

    # Python before 3.11 wrote a fraction as a text.
    dispatch_table = copyreg.dispatch_table | {Fraction: lambda value: (Fraction, (str(value),))}

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=2)

    def persistent_id(self, thing: Any) -> Any:
        return thing.name if isinstance(thing, StoredElsewhere) else None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Named):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        else:
            super().save(obj, save_persistent_id)


def pickled(thing: Any) -> bytes:
    """Pickle `thing` as `torch.save` did in 2022, with the numpy of that time."""
    file = io.BytesIO()
    Pickler(file).dump(thing)
    return file.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")


def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of a tensor in C order, in elements."""
    return tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))


def saved_tensor(key: int, values: NDArray[Any], **changed: Any) -> Call:
    """Return a tensor for a pickle, with its numbers in `data/KEY`."""
    kind = {"float16": "HalfStorage", "float32": "FloatStorage"}.get(values.dtype.name, "LongStorage")
    parts = {
        "storage": StoredElsewhere("storage", Named("torch", kind), str(key), "cpu", values.size),
        "offset": 0,
        "shape": values.shape,
        "strides": strides(values.shape),
        "gradient": False,
        "hooks": OrderedDict(),
    }
    return Call(Named("torch._utils", "_rebuild_tensor_v2"), *(parts | changed).values())


def package(
    state: State, arguments: Mapping[str, Any] = HTDEMUCS, class_name: str = "HTDemucs"
) -> dict[str, Any]:
    """Return the dict that `demucs` saves for a trained network."""
    return {
        "klass": Named(f"demucs.{class_name.lower()}", class_name),
        "args": (),
        "kwargs": dict(arguments),
        "state": {name: saved_tensor(key, values) for key, (name, values) in enumerate(state.items())},
        "training_args": TRAINING,
        "metrics": SCORES,
    }


def archive(
    content: bytes, state: State, change: Callable[[dict[str, bytes]], object] | None = None
) -> bytes:
    """Return a file as PyTorch wrote it in 2022: a zip with a pickle and the tensors' numbers."""
    entries = {"archive/data.pkl": content}
    entries |= {f"archive/data/{key}": values.tobytes() for key, values in enumerate(state.values())}
    entries["archive/version"] = b"3\n"
    if change is not None:
        change(entries)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, numbers in entries.items():
            zipped.writestr(zipfile.ZipInfo(name), numbers)
    return file.getvalue()


def published(
    path: Path, state: State, arguments: Mapping[str, Any] = HTDEMUCS, class_name: str = "HTDemucs"
) -> Path:
    """Write a package like those of 2022. Needs numpy only."""
    path.write_bytes(archive(pickled(package(state, arguments, class_name)), state))
    return path


def with_checksum(path: Path) -> Path:
    """Rename SIG.th to SIG-CHECKSUM.th."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path.rename(path.with_name(f"{path.stem}-{digest[:8]}{path.suffix}"))


# Shapes of a network that is small enough for tests, with names of the real one.
TINY = {"encoder.0.conv.weight": (4, 2, 8, 1), "encoder.0.conv.bias": (4,), "gains": (1, 4, 1, 1)}


def tiny_graphs(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Replace the graphs by those of small networks with the same class names, for one test."""
    from onnx import TensorProto, helper

    folder.mkdir()
    for class_name, segment, fixed_length in (("HTDemucs", 343_980, True), ("HDemucs", 1_940_400, False)):
        places, offset = [], 0
        for name, shape in TINY.items():
            length = 2 * int(np.prod(shape))
            places.append({"name": name, "shape": list(shape), "offset": offset, "length": length})
            offset += length + -length % 64
        description = {
            "sources": SOURCES,
            "sample_rate": 44100,
            "channels": 2,
            "segment": segment,
            "fixed_length": fixed_length,
            "overlap": 0.25,
            "normalise": True,
            "stft": None,
            "inputs": ["mixture"],
            "outputs": ["waveforms"],
        }
        described = {
            "description": description,
            "class": class_name,
            "arguments": {"sources": SOURCES, "segment": segment / 44100, "channels": 48},
            "defaults": {},
            "tensors": places,
        }
        (folder / f"{class_name}.json").write_text(json.dumps(described))
        weights = []
        for place in places:
            stored = TensorProto(name=place["name"], data_type=TensorProto.FLOAT16, dims=place["shape"])
            stored.data_location = TensorProto.EXTERNAL
            for key, value in (
                ("location", "weights.bin"),
                ("offset", place["offset"]),
                ("length", place["length"]),
            ):
                stored.external_data.add(key=key, value=str(value))
            weights.append(stored)
        graph = helper.make_graph(
            [
                helper.make_node("Cast", ["gains"], ["gains32"], to=TensorProto.FLOAT),
                helper.make_node("Mul", ["mixture", "gains32"], ["waveforms"]),
            ],
            class_name,
            [helper.make_tensor_value_info("mixture", TensorProto.FLOAT, ["batch", 1, 2, "samples"])],
            [helper.make_tensor_value_info("waveforms", TensorProto.FLOAT, ["batch", 4, 2, "samples"])],
            weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
        (folder / f"{class_name}.onnx").write_bytes(model.SerializeToString())
    monkeypatch.setattr(graphs, "templates", cache(graphs.templates.__wrapped__))
    monkeypatch.setattr(graphs, "FOLDER", folder)
    # These networks are HTDemucs by name only, and the native library would compute the real one.
    monkeypatch.setattr("unbraid.separation.runtimes.native.native_library", lambda: None)


def weights_in(folder: Path) -> dict[str, NDArray[Any]]:
    """Return the initialisers of a network folder, read by the library `onnx`."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(folder / "graph.onnx").graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
