"""A folder of published models, as `demucs --repo` takes it.

    SIG-CHECKSUM.th, SIG.th    a network called SIG; the checksum is the beginning of the file's SHA-256
    SIG.safetensors            the same in the other published format; a `.th` of the same name goes first
    NAME.yaml                  a bag: `models` (signatures), and optionally `weights` and `segment`

Where a network and a bag have one name, it is the network's.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unbraid.errors import ModelError
from unbraid.models.cache import cache_folder, locked
from unbraid.models.convert import convert_bag
from unbraid.models.folder import Model, load_model_folder
from unbraid.models.graphs import fingerprint_of_all
from unbraid.models.readers.packages import ENDINGS, read_package, signature_of

BAG = ".yaml"
LONGEST_BAG = 1 << 12  # bytes; the published ones have 170
MOST_NETWORKS = 32  # the published bags have 4

LICENCE = "not stated"  # a package says nothing of it


@dataclass(frozen=True, slots=True)
class Repo:
    """What lies in a folder of models."""

    folder: Path
    networks: dict[str, list[Path]]
    """Files by signature; more than one is an error once that signature is asked for."""
    bags: dict[str, Path]


@dataclass(frozen=True, slots=True)
class Bag:
    """What a bag's file says."""

    signatures: tuple[str, ...]
    weights: list[list[float]] | None
    segment_s: float | None


def scan_repo(folder: Path) -> Repo:
    """Find the models in a folder, without opening any file. Raises ModelError when it is none."""
    try:
        files = sorted(folder.iterdir())
    except NotADirectoryError as error:
        raise ModelError(f"{folder} is a file; --repo takes the folder in which it lies") from error
    except OSError as error:
        raise ModelError(
            f"{folder} can't be read as a folder of models: {error.strerror or error}"
        ) from error
    repo = Repo(folder, {}, {})
    for ending in ENDINGS:
        found: dict[str, list[Path]] = {}
        for file in files:
            if file.suffix == ending:
                found.setdefault(signature_of(file), []).append(file)
        repo.networks.update({name: paths for name, paths in found.items() if name not in repo.networks})
    repo.bags.update((file.stem, file) for file in files if file.suffix == BAG)
    return repo


def find_in_repo(name: str, folder: Path) -> Model:
    """The model `name` of a folder, a signature or a bag, converted into the user's cache the first time.

    What lies in the cache belongs to the content of the files: an altered file is read anew. Raises ModelError.
    """
    repo = scan_repo(folder)
    if name in repo.networks:
        bag = Bag((name,), None, None)
    elif name in repo.bags:
        bag = read_bag(repo.bags[name])
    else:
        there = ", ".join([*repo.bags, *repo.networks]) or "nothing that is one"
        raise ModelError(f"there is no model {name!r} in {folder}; there is {there}")
    return _converted(name, bag, [_file(repo, signature, name) for signature in bag.signatures])


def read_bag(path: Path) -> Bag:
    """Read a bag's file. Raises ModelError unless it holds what a bag needs, in its place."""
    import yaml  # here, as only folders of models need it

    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_BAG + 1)
        # Lists in lists would take PyYAML seconds; a bag has one of weights for each network, and two around them.
        if len(content) > LONGEST_BAG or content.count(b"[") + content.count(b"{") > MOST_NETWORKS + 3:
            raise ValueError("it is far too long")
        # What is referred to, or merged in by `<<`, could double at every level. Events are read without following it.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content, yaml.SafeLoader)):
            raise ValueError("it refers to parts of itself (*), which a bag has no need to")
        described = yaml.safe_load(content)
        if not isinstance(described, dict):
            raise ValueError("it is no list of names with values")
        segment_s = described.get("segment")
        if segment_s is not None and not (_is_number(segment_s) and 0 < segment_s < 3600):
            raise ValueError("segment has to be a number of seconds")
        return Bag(_signatures(described.get("models")), _weights(described.get("weights")), segment_s)
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror or error}") from error
    # RecursionError: lists in lists in lists.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else "it is not YAML"
        raise ModelError(f"{path} is not a bag of models: {reason}; correct it or get it again") from error


def _signatures(models: object) -> tuple[str, ...]:
    if not isinstance(models, list) or not 0 < len(models) <= MOST_NETWORKS:
        raise ValueError(f"models has to list 1 to {MOST_NETWORKS} signatures")
    for signature in models:
        if not isinstance(signature, str):
            raise ValueError(f"the signature {str(signature)[:40]} has to stand in quotes")
    return tuple(models)


def _weights(weights: object) -> list[list[float]] | None:
    if weights is None:
        return None
    if not isinstance(weights, list) or not all(
        isinstance(row, list) and all(map(_is_number, row)) for row in weights
    ):
        raise ValueError("weights has to be a list of numbers, one for each stem, for each network")
    return [[float(weight) for weight in row] for row in weights]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e9


def _file(repo: Repo, signature: str, name: str) -> Path:
    """The one file of a network that the model `name` needs."""
    files = repo.networks.get(signature, [])
    if not files:
        raise ModelError(
            f"{repo.bags[name]} needs the network {signature!r:.80}: put its .th or .safetensors file into "
            f"{repo.folder}"
        )
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ModelError(
            f"{repo.folder} holds several networks called {signature}: {names}. Remove all but one"
        )
    return files[0]


def _checked_sum(file: Path) -> str:
    """SHA-256 of a file. Raises ModelError when it isn't the one that its name promises."""
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{file} can't be read: {error.strerror or error}") from error
    _, dash, promised = file.stem.rpartition("-")
    if file.suffix == ENDINGS[0] and dash and not digest.startswith(promised):
        raise ModelError(
            f"{file} is damaged or was altered: its SHA-256 begins with {digest[: len(promised)]}, not with {promised} "
            "as its name says; get it again"
        )
    return digest


def _converted(name: str, bag: Bag, files: Sequence[Path]) -> Model:
    """The model of these packages out of the cache, into which it is converted if need be."""
    checked = {file: _checked_sum(file) for file in files}
    sums = [checked[file] for file in files]
    # The same bytes were read before where the cache has them: packages need not be.
    made_of = [name, bag.signatures, bag.weights, bag.segment_s, sums, fingerprint_of_all()]
    key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    folder = cache_folder() / "repo" / key
    # A cache that is only read does for what is in it: it is locked to convert, and what another process converted
    # meanwhile is taken.
    if (model := _intact(folder)) is not None:
        return model
    packages = [read_package(file) for file in files]
    with locked(folder):
        if (model := _intact(folder)) is not None:
            return model
        convert_bag(
            packages,
            bag.weights,
            folder,
            name=name,
            version=sums[0][:8],
            licence=LICENCE,
            segment_s=bag.segment_s,
        )
        return load_model_folder(folder)


def _intact(folder: Path) -> Model | None:
    """The model in the cache; None where it is not there, or damaged and has to be made again."""
    if folder.is_dir():
        with suppress(ModelError):
            return load_model_folder(folder)
    return None
