"""A model folder: `model.json` (description), `graph.onnx` (structure) and `weights.bin`.

A bag of several networks is a folder with its own `model.json`. Its networks are model folders inside it, or models
with names of their own. docs/models.md describes how to write one. So is an ensemble of several models, for which see
`unbraid.models.ensemble` and docs/ensembles.md.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from unbraid.errors import ModelError, SettingError
from unbraid.files.oserrors import read_cause
from unbraid.models.ensemble import MEAN, Ensemble, compose

DESCRIPTION = "model.json"
GRAPH = "graph.onnx"
WEIGHTS = "weights.bin"
NETWORKS = "networks"  # entry of a bag's description
MODELS = "models"  # entry of an ensemble's description

# Beginning of a tensor's reference to a file beside the graph, in protobuf: a StringStringEntryProto with the key
# "location" (8 bytes) in field 1. Length and content of field 2, the file name, follow.
_LOCATION = re.compile(rb"\x0a\x08location\x12")

# Names of a graph's inputs and outputs, with their shapes. All are float32; sizes may be dynamic.
MIXTURE = "mixture"  # (batch, channels, samples)
SPECTRUM = "spectrum"  # (batch, channels, bins, frames, 2), real and imaginary part
WAVEFORMS = "waveforms"  # (batch, sources, channels, samples)
SPECTRA = "spectra"  # (batch, sources, channels, bins, frames, 2)

# How a transform treats the ends of its input; see `unbraid.separation.spectral`.
Edges = Literal["centred", "demucs", "demucs_old"]
EDGES: tuple[Edges, ...] = get_args(Edges)


@dataclass(frozen=True, slots=True)
class Member:
    """A network of a bag."""

    model: Model
    weights: Mapping[str, float]
    """Weight of the network's estimate in the bag's weighted mean, for each source of the bag."""
    reads_rest: bool = False
    """Whether it reads the song without the estimates of the networks before it, instead of the whole song."""


@dataclass(frozen=True, slots=True)
class Model:
    """The content of a model folder's description."""

    folder: Path
    name: str
    version: str
    sources: tuple[str, ...]
    sample_rate: int
    channels: int
    segment: int
    """Length of a segment in samples."""
    fixed_length: bool | Literal["inside"] | None
    """How the network reads a segment that the end of the song shortens.

    True: always `segment` samples, the shortened segment with the music around it and zeros. "inside": the last
    `segment` samples of the song; zeros follow a shorter song. False: only the shortened segment, at its own length.
    None: with the music around it, as many samples as for all other segments."""
    overlap: float
    """Share of a segment that overlaps the next one."""
    normalise: bool | Literal["scale"]
    """How the song is normalised, by mean and deviation of its mono mix.

    True: to mean 0 and deviation 1; the mean is added to every stem, as in Demucs. "scale": divided by the deviation,
    so that the stems still add up to the song. False: not at all."""
    n_fft: int | None
    hop: int | None
    edges: Edges
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    licence: str
    members: tuple[Member, ...] = ()
    """The networks of a bag; empty for a single network."""
    rest: str | None = None
    """The source that is the song without all other sources; None if networks estimate every source."""
    ensemble: Ensemble | None = None
    """The models of an ensemble; None for a single model."""

    @property
    def networks(self) -> tuple[Model, ...]:
        """All single networks: those of a bag, those of all models of an ensemble, or the model itself."""
        if self.ensemble is not None:
            return tuple(network for member in self.ensemble.members for network in member.model.networks)
        return tuple(member.model for member in self.members) or (self,)

    @property
    def estimated(self) -> tuple[str, ...]:
        """The sources that networks estimate, in the order of a single network's outputs."""
        return tuple(source for source in self.sources if source != self.rest)

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.folder / GRAPH

    @property
    def segment_s(self) -> float:
        """Length of a segment in seconds."""
        return self.segment / self.sample_rate


LoadNamed = Callable[[str], "Model"]
"""Load a model by its name."""


def _no_names(name: str) -> Model:
    raise ModelError(f"There is no model {name!r} here. A bag in this place must contain its networks.")


def load_model_folder(folder: Path, load_named: LoadNamed = _no_names) -> Model:
    """Read a model folder, and check the SHA-256 of every file that its description lists or its graph needs.

    `load_named` loads the networks of a bag that have names. Raises ModelError if something is missing, altered,
    truncated or invalid.
    """
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if NETWORKS in description:
            return _read_bag(folder, description, load_named)
        if MODELS in description:
            return _read_ensemble(folder, description, load_named)
        model = _read_description(folder, description)
        checksums = {str(name): str(digest) for name, digest in description["sha256"].items()}
    except FileNotFoundError as error:
        raise ModelError(f"is not a model folder: it has no {DESCRIPTION}.", subject=str(folder)) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise _unusable(folder, f"no {error}" if isinstance(error, KeyError) else str(error)) from error
    if GRAPH not in checksums:
        raise _unusable(folder, f"no SHA-256 of {GRAPH}")
    for name, digest in checksums.items():
        _verify(folder, name, digest)
    for name in sorted(_files_beside(model.graph.read_bytes()) - checksums.keys()):
        raise _unusable(folder, f"no SHA-256 of {name}, which {GRAPH} needs")
    return model


def read_network(folder: Path) -> dict[str, Any]:
    """Return the class and the sizes of a network whose graph was built from sizes; empty for other networks."""
    try:
        network = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")).get("network", {})
    except FileNotFoundError:  # a model in memory that has only a graph
        return {}
    return dict(network)


def _unusable(folder: Path, reason: str) -> ModelError:
    return ModelError(f"can't be used: {reason}. Install the model again.", subject=str(folder / DESCRIPTION))


def _read_bag(folder: Path, description: Mapping[str, Any], load_named: LoadNamed) -> Model:
    """Read a bag and its networks. Raises ValueError if they don't form a bag."""
    sources = tuple(map(str, description["sources"]))
    members = tuple(_read_member(folder, network, sources, load_named) for network in description[NETWORKS])
    if not members:
        raise ValueError("a bag needs at least one network")
    first = members[0].model
    if members[0].reads_rest:
        raise ValueError("the first network can't read the rest of others")
    rest = description.get("rest")
    for source in sources:
        if any(member.weights[source] for member in members) == (source == rest):
            raise ValueError(f"{'a' if source == rest else 'no'} network has a weight for {source}")
    described = {
        "sample_rate": first.sample_rate,
        "channels": first.channels,
        "segment": min(member.model.segment for member in members),
        "overlap": first.overlap,
        "normalise": first.normalise,
        **description,
    }
    bag = replace(_read_description(folder, described), members=members)
    for trait in ("sample_rate", "channels"):
        for member in members:
            if getattr(member.model, trait) != getattr(bag, trait):
                raise ValueError(f"{member.model.name} and the bag differ in {trait}")
    return bag


def _read_ensemble(folder: Path, description: Mapping[str, Any], load_named: LoadNamed) -> Model:
    """Read an ensemble and its models. Raises ValueError if they don't form an ensemble."""
    models = [_load_part(folder, entry, load_named) for entry in description[MODELS]]
    try:
        composed = compose(models, description.get("combine", MEAN), description.get("weights"))
    except SettingError as error:
        raise ValueError(error.reason) from error
    return replace(
        composed, folder=folder, name=str(description["name"]), version=str(description["version"])
    )


def _load_part(folder: Path, entry: Mapping[str, Any], load_named: LoadNamed) -> Model:
    """Load a model that a description names: a model folder inside `folder`, or a model with a name."""
    name = str(entry["model"] if "model" in entry else entry["folder"])
    if "model" in entry:
        return load_named(name)
    if name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"a network's folder must be inside the bag's, not {name!r}")
    return load_model_folder(folder / name)


def _read_member(
    folder: Path, network: Mapping[str, Any], sources: Sequence[str], load_named: LoadNamed
) -> Member:
    """Read a network of a bag."""
    model = _load_part(folder, network, load_named)
    name = str(network["model"] if "model" in network else network["folder"])
    if model.members or model.ensemble:
        raise ValueError(f"{name} is {'an ensemble' if model.ensemble else 'a bag'} itself")
    given = {str(source): float(weight) for source, weight in network["weights"].items()}
    if not set(sources).issuperset(given):
        raise ValueError(f"the weights of {name} must be for {', '.join(sources)}")
    if not all(math.isfinite(weight) and weight >= 0 for weight in given.values()):
        raise ValueError(f"the weights of {name} must be 0 or more")
    weights = {source: given.get(source, 0.0) for source in sources}
    for source, weight in weights.items():
        if weight and source not in model.sources:
            raise ValueError(f"{name} has a weight for {source}, but doesn't separate it")
    if network.get("input", "song") not in ("song", "rest"):
        raise ValueError(f"the input of {name} must be song or rest, not {network['input']}")
    return Member(model, weights, reads_rest=network.get("input") == "rest")


def _files_beside(graph: bytes) -> set[str]:
    """Return the names of the files that an ONNX graph reads tensors from."""
    # The length of a name of 128 bytes or more takes two bytes. Such a name is misread here, and is then rejected
    # because it has no checksum.
    starts = (match.end() for match in _LOCATION.finditer(graph))
    return {
        graph[start + 1 : start + 1 + length].decode("utf-8", "replace")
        for start in starts
        for length in graph[start : start + 1]
    }


def _read_description(folder: Path, description: Mapping[str, Any]) -> Model:
    bag = NETWORKS in description
    stft = description.get("stft") if bag else description["stft"]
    model = Model(
        folder=folder,
        name=str(description["name"]),
        version=str(description["version"]),
        sources=tuple(map(str, description["sources"])),
        sample_rate=int(description["sample_rate"]),
        channels=int(description["channels"]),
        segment=int(description["segment"]),
        fixed_length=description.get("fixed_length"),
        overlap=float(description["overlap"]),
        normalise=description["normalise"],
        n_fft=None if stft is None else int(stft["n_fft"]),
        hop=None if stft is None else int(stft["hop"]),
        edges="centred" if stft is None else stft.get("edges", "centred"),
        inputs=tuple(description.get("inputs", ()) if bag else description["inputs"]),
        outputs=tuple(description.get("outputs", ()) if bag else description["outputs"]),
        licence=str(description["licence"]),
        rest=description.get("rest"),
    )
    if not model.sources or len(set(model.sources)) < len(model.sources):
        raise ValueError("sources must have names, each once")
    for source in model.sources:
        if source in ("", ".", "..") or not source.isprintable() or "/" in source or "\\" in source:
            raise ValueError(f"{source!r} can't be the name of a stem, which becomes the name of a file")
    if (
        model.sample_rate < 1
        or model.channels != 2
        or model.segment < max(1, model.n_fft or 0)
        or not 0 <= model.overlap < 1
    ):
        raise ValueError("sample rate, channels, segment or overlap is out of range")
    if model.fixed_length != "inside" and not isinstance(model.fixed_length, bool | None):
        raise ValueError(f"fixed_length must be true, false or inside, not {model.fixed_length}")
    if model.normalise not in (True, False, "scale"):
        raise ValueError(f"normalise must be true, false or scale, not {model.normalise}")
    if model.rest is not None and (model.rest not in model.sources or not model.estimated):
        raise ValueError(f"its rest, {model.rest}, is not one of its sources")
    if not bag:
        _check_network(model)
    return model


def _check_network(model: Model) -> None:
    """Raise ValueError unless inputs, outputs and STFT fit together."""
    if not model.inputs or not {MIXTURE, SPECTRUM}.issuperset(model.inputs):
        raise ValueError(f"inputs must be {MIXTURE} and {SPECTRUM}, not {', '.join(model.inputs)}")
    if not model.outputs or not {WAVEFORMS, SPECTRA}.issuperset(model.outputs):
        raise ValueError(f"outputs must be {WAVEFORMS} and {SPECTRA}, not {', '.join(model.outputs)}")
    if model.n_fft is not None and model.hop is not None:
        if not 0 < 2 * model.hop <= model.n_fft or model.n_fft % 2:
            raise ValueError(
                f"the window ({model.n_fft}) must be even, and two or more times the hop ({model.hop})"
            )
        if model.edges not in EDGES:
            raise ValueError(f"edges must be {' or '.join(EDGES)}, not {model.edges}")
        if model.edges != "centred" and model.n_fft != 4 * model.hop:
            raise ValueError("edges of demucs need a hop of a quarter of the window")
    elif {SPECTRUM, SPECTRA}.intersection((*model.inputs, *model.outputs)):
        raise ValueError("the network works on spectra, but stft is missing")


def _verify(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    try:
        if path.parent != folder or not path.is_file():
            raise ModelError("is missing. Install the model again.", subject=str(path))
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"can't be read: {read_cause(error)}. Check its permissions, or install the model again.",
            subject=str(path),
        ) from error
    if actual != digest.lower():
        raise ModelError(
            f"is damaged or was altered (SHA-256 {actual[:12]}…, not {digest[:12]}…). Install the model again.",
            subject=str(path),
        )
