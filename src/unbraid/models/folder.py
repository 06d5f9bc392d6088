"""A model at rest: a folder with `model.json` (what it is), `graph.onnx` (structure) and `weights.bin`.

A bag of several networks is a folder with `model.json` alone and a folder of that kind for each of them in it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from unbraid.errors import ModelError

DESCRIPTION = "model.json"
GRAPH = "graph.onnx"
NETWORKS = "networks"  # in a description: those of a bag

# How protobuf writes that a tensor lies in a file beside the graph: a StringStringEntryProto whose field 1, the key,
# is "location" (8 bytes), and of whose field 2, the value, the length and the name follow.
_LOCATION = re.compile(rb"\x0a\x08location\x12")

# Names of a graph's inputs and outputs, with their shapes; all float32, sizes may be dynamic.
MIXTURE = "mixture"  # (batch, channels, samples)
SPECTRUM = "spectrum"  # (batch, channels, bins, frames, 2), real and imaginary part
WAVEFORMS = "waveforms"  # (batch, sources, channels, samples)
SPECTRA = "spectra"  # (batch, sources, channels, bins, frames, 2)

# How a spectrum treats the ends of what is transformed; see `unbraid.separation.spectral`.
Edges = Literal["centred", "demucs"]
EDGES: tuple[Edges, ...] = get_args(Edges)


@dataclass(frozen=True, slots=True)
class Member:
    """One network of a bag, and how much its estimate of each source counts in the bag's weighted mean."""

    model: Model
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Model:
    """What a model folder says about itself."""

    folder: Path
    name: str
    version: str
    sources: tuple[str, ...]
    sample_rate: int
    channels: int
    segment: int
    """Samples the network was made for."""
    fixed_length: bool | None
    """What the network reads for a cut, where that is shorter than `segment`. True: zeros after it fill it up to
    `segment`; False: the cut alone, whatever its length; None: the last cuts, which the end of the song shortens, as
    long as all others, with what lies around them. (True as well puts what lies around them there first.)"""
    overlap: float
    """Share of a segment that the next one reads again."""
    normalise: bool | Literal["scale"]
    """How the song is prepared, by figures of its mono mix: True brings it to mean 0 and deviation 1 and puts the
    mean back into every stem, as Demucs does; "scale" only divides by the deviation, so that stems still add up."""
    n_fft: int | None
    hop: int | None
    edges: Edges
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    licence: str
    members: tuple[Member, ...] = ()
    """The networks of a bag; empty for a model that is one network itself."""

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.folder / GRAPH

    @property
    def segment_s(self) -> float:
        """Length of a segment in seconds."""
        return self.segment / self.sample_rate


def load_model_folder(folder: Path) -> Model:
    """Read `folder` and check every file that its description lists, and the graph needs, against its SHA-256.

    Raises ModelError when something is missing, altered, cut short or makes no sense.
    """
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        model = _read_description(folder, described)
        if NETWORKS in described:
            return replace(model, members=_read_members(model, described[NETWORKS]))
        checksums = {str(name): str(digest) for name, digest in described["sha256"].items()}
    except FileNotFoundError as error:
        raise ModelError(f"{folder} is not a model folder: it has no {DESCRIPTION}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ModelError(f"{folder / DESCRIPTION} can't be used: {reason}") from error
    if GRAPH not in checksums:
        raise ModelError(f"{folder / DESCRIPTION} can't be used: no SHA-256 of {GRAPH}")
    for name, digest in checksums.items():
        _verify(folder, name, digest)
    for name in sorted(_files_beside(model.graph.read_bytes()) - checksums.keys()):
        raise ModelError(f"{folder / DESCRIPTION} can't be used: no SHA-256 of {name}, which {GRAPH} needs")
    return model


def _read_members(bag: Model, described: Sequence[Mapping[str, Any]]) -> tuple[Member, ...]:
    """The networks of a bag, which have to agree with it in all that mixes them."""
    members = []
    for part in described:
        name = str(part["folder"])
        if name in ("", ".", "..") or Path(name).name != name:
            raise ValueError(f"a network's folder has to lie in the bag's, not at {name!r}")
        model = load_model_folder(bag.folder / name)
        if model.members:
            raise ValueError(f"{name} is a bag itself")
        for trait in ("sources", "sample_rate", "channels", "normalise"):
            if getattr(model, trait) != getattr(bag, trait):
                raise ValueError(f"{name} has other {trait} than the bag")
        weights = {str(source): float(weight) for source, weight in part["weights"].items()}
        if weights.keys() != set(bag.sources):
            raise ValueError(f"{name} needs a weight for each of {', '.join(bag.sources)}")
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights.values()):
            raise ValueError(f"the weights of {name} have to be 0 or more")
        members.append(Member(model, weights))
    for source in bag.sources:
        if not any(member.weights[source] for member in members):
            raise ValueError(f"no network has a weight for {source}")
    return tuple(members)


def _files_beside(graph: bytes) -> set[str]:
    """Names of the files that hold tensors of an ONNX graph."""
    # A name of 128 bytes or more has a longer length and is read wrongly: as one that has no checksum.
    starts = (found.end() for found in _LOCATION.finditer(graph))
    return {
        graph[start + 1 : start + 1 + length].decode("utf-8", "replace")
        for start in starts
        for length in graph[start : start + 1]
    }


def _read_description(folder: Path, described: Mapping[str, Any]) -> Model:
    bag = NETWORKS in described
    stft = described.get("stft") if bag else described["stft"]
    model = Model(
        folder=folder,
        name=str(described["name"]),
        version=str(described["version"]),
        sources=tuple(map(str, described["sources"])),
        sample_rate=int(described["sample_rate"]),
        channels=int(described["channels"]),
        segment=int(described["segment"]),
        fixed_length=described.get("fixed_length"),
        overlap=float(described["overlap"]),
        normalise=described["normalise"],
        n_fft=None if stft is None else int(stft["n_fft"]),
        hop=None if stft is None else int(stft["hop"]),
        edges="centred" if stft is None else stft.get("edges", "centred"),
        inputs=tuple(described.get("inputs", ()) if bag else described["inputs"]),
        outputs=tuple(described.get("outputs", ()) if bag else described["outputs"]),
        licence=str(described["licence"]),
    )
    if not model.sources or len(set(model.sources)) < len(model.sources):
        raise ValueError("the sources have to be named, each once")
    if (
        model.sample_rate < 1
        or model.channels != 2
        or model.segment < max(1, model.n_fft or 0)
        or not 0 <= model.overlap < 1
    ):
        raise ValueError("sample rate, channels, segment or overlap is out of range")
    if not isinstance(model.fixed_length, bool | None):
        raise ValueError(f"fixed_length can be true or false, not {model.fixed_length}")
    if model.normalise not in (True, False, "scale"):
        raise ValueError(f"normalise can be true, false or scale, not {model.normalise}")
    if not bag:
        _check_network(model)
    return model


def _check_network(model: Model) -> None:
    """Raise ValueError unless inputs, outputs and STFT fit together."""
    if not model.inputs or not {MIXTURE, SPECTRUM}.issuperset(model.inputs):
        raise ValueError(f"inputs can be {MIXTURE} and {SPECTRUM}, not {', '.join(model.inputs)}")
    if not model.outputs or not {WAVEFORMS, SPECTRA}.issuperset(model.outputs):
        raise ValueError(f"outputs can be {WAVEFORMS} and {SPECTRA}, not {', '.join(model.outputs)}")
    if model.n_fft is not None and model.hop is not None:
        if not _overlapping(model.n_fft, model.hop):
            raise ValueError(
                f"the hop has to divide the window at least twice, not {model.n_fft} by {model.hop}"
            )
        if model.edges not in EDGES:
            raise ValueError(f"edges can be {' or '.join(EDGES)}, not {model.edges}")
        if model.edges == "demucs" and model.n_fft != 4 * model.hop:
            raise ValueError("with demucs' edges the hop has to be a quarter of the window")
    elif {SPECTRUM, SPECTRA}.intersection((*model.inputs, *model.outputs)):
        raise ValueError("it works on spectra but says nothing about its STFT")


def _overlapping(n_fft: int, hop: int) -> bool:
    return n_fft > hop > 0 and n_fft % hop == 0


def _verify(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    try:
        if path.parent != folder or not path.is_file():
            raise ModelError(f"{path} is missing; install or download the model again")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"{path} can't be read: {error.strerror or error}; see to that, or install the model again"
        ) from error
    if found != digest.lower():
        raise ModelError(
            f"{path} is damaged or was altered (SHA-256 {found[:12]}…, not {digest[:12]}…); install it again"
        )
