"""Find a model in a folder of published weights, as `demucs --repo` takes it.

    SIG-CHECKSUM.th, SIG.th    a network with the signature SIG; CHECKSUM is the beginning of the file's SHA-256
    SIG.safetensors            a network in the other published format; a `.th` with the same signature has precedence
    NAME.onnx                  an MDX-Net; see `unbraid.models.mdx`
    NAME.yaml                  a bag: `models` (signatures), and optionally `weights` and `segment`

If a name stands for several of them, it means the first of this list.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.models.checkpoint_config import is_config
from unbraid.models.checkpoint_files import checkpoint_called, checkpoints_in, find_checkpoint
from unbraid.models.convert import convert_bag
from unbraid.models.converted import LICENCE, checksum, folder_for, intact, load_or_convert
from unbraid.models.folder import Model
from unbraid.models.graphs import fingerprint_of_all
from unbraid.models.mdx import load_mdx_file
from unbraid.models.mdx_settings import ENDING as MDX
from unbraid.models.older_demucs import replacement_for
from unbraid.models.published import PACKAGES as ENDINGS
from unbraid.models.published import signature_of
from unbraid.models.readers.packages import read_package

BAG = ".yaml"
LONGEST_BAG = 1 << 12  # bytes; the published ones have 170
MOST_NETWORKS = 32  # the published bags have 4


@dataclass(frozen=True, slots=True)
class Repo:
    """The models in a folder."""

    folder: Path
    networks: dict[str, list[Path]]
    """Files by signature. Several files for one signature are an error when that network is needed."""
    bags: dict[str, Path]
    """Files by name."""
    mdx: dict[str, Path]
    """MDX-Nets by name."""


@dataclass(frozen=True, slots=True)
class Bag:
    """The content of a bag's file."""

    signatures: tuple[str, ...]
    weights: list[list[float]] | None
    segment_s: float | None


def scan_repo(folder: Path) -> Repo:
    """List the models in a folder, without opening any file. Raises ModelError if it isn't a readable folder."""
    try:
        files = sorted(folder.iterdir())
    except NotADirectoryError as error:
        raise ModelError("is a file. Give its folder to --repo.", subject=str(folder)) from error
    except OSError as error:
        raise ModelError(
            f"can't be read as a folder of models: {read_cause(error)}.", subject=str(folder)
        ) from error
    repo = Repo(folder, {}, {}, {file.stem: file for file in files if file.suffix == MDX})
    for ending in ENDINGS:
        by_signature: dict[str, list[Path]] = {}
        for file in files:
            if file.suffix == ending:
                by_signature.setdefault(signature_of(file), []).append(file)
        repo.networks.update(
            {name: paths for name, paths in by_signature.items() if name not in repo.networks}
        )
    repo.bags.update((file.stem, file) for file in files if file.suffix == BAG)
    return repo


def has_model(name: str, folder: Path) -> bool:
    """Whether a folder has a model of that name. Raises ModelError if it isn't a readable folder."""
    repo = scan_repo(folder)
    named = any(name in models for models in (repo.networks, repo.mdx, repo.bags))
    return named or checkpoint_called(name, folder) is not None


def find_in_repo(name: str, folder: Path) -> Model:
    """Load the model `name`, a signature or a bag, from a folder. Convert it into the user's cache the first time.

    The key in the cache is a hash of the files' content, so an altered file is converted again. Raises ModelError.
    """
    repo = scan_repo(folder)
    if checkpoint := checkpoint_called(name, folder):
        return find_checkpoint(checkpoint)
    if name in repo.networks:
        bag = Bag((name,), None, None)
    elif name in repo.mdx:
        return load_mdx_file(repo.mdx[name])
    elif name in repo.bags:
        bag = read_bag(repo.bags[name])
    elif replacement := replacement_for(name):
        raise ModelError(replacement)
    else:
        bags = [name for name, path in repo.bags.items() if not is_config(path)]
        known = ", ".join(dict.fromkeys([*checkpoints_in(folder), *bags, *repo.networks, *repo.mdx]))
        advice = (
            f"Choose {known}."
            if known
            else "The folder has no models: no .th, .safetensors, .onnx or .yaml file."
        )
        raise ModelError(f"There is no model {name!r} in {folder}. {advice}")
    return _converted(name, bag, [_file(repo, signature, name) for signature in bag.signatures])


def read_bag(path: Path) -> Bag:
    """Read a bag's file. Raises ModelError if it is invalid."""
    import yaml  # slow, and only needed here

    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_BAG + 1)
        # Deeply nested lists take PyYAML seconds. A bag has one list of weights for each network, and two lists around
        # them.
        if len(content) > LONGEST_BAG or content.count(b"[") + content.count(b"{") > MOST_NETWORKS + 3:
            raise ValueError("it is too long")
        # References, including merge keys (`<<`), could double the content at every level. Parsing into events doesn't
        # follow them.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content, yaml.SafeLoader)):
            raise ValueError("it has references (*), which a bag doesn't need")
        entries = yaml.safe_load(content)
        if not isinstance(entries, dict):
            raise ValueError("it isn't a list of names with values")
        segment_s = entries.get("segment")
        if segment_s is not None and not (_is_number(segment_s) and 0 < segment_s < 3600):
            raise ValueError("segment must be a number of seconds")
        return Bag(_signatures(entries.get("models")), _weights(entries.get("weights")), segment_s)
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(path)) from error
    # RecursionError: deeply nested lists.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else "it is not YAML"
        raise ModelError(
            f"is not a bag of models: {reason}. Correct it or get it again.", subject=str(path)
        ) from error


def _signatures(models: object) -> tuple[str, ...]:
    if not isinstance(models, list) or not 0 < len(models) <= MOST_NETWORKS:
        raise ValueError(f"models must list 1 to {MOST_NETWORKS} signatures")
    for signature in models:
        if not isinstance(signature, str):
            raise ValueError(f"the signature {str(signature)[:40]} must be in quotes")
    return tuple(models)


def _weights(weights: object) -> list[list[float]] | None:
    if weights is None:
        return None
    if not isinstance(weights, list) or not all(
        isinstance(row, list) and all(map(_is_number, row)) for row in weights
    ):
        raise ValueError("weights must have a list for each network, with a number for each stem")
    return [[float(weight) for weight in row] for row in weights]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e9


def _file(repo: Repo, signature: str, name: str) -> Path:
    """Return the file of a network that the model `name` needs."""
    files = repo.networks.get(signature, [])
    if not files:
        raise ModelError(
            f"needs the network {signature!r:.80}. Put its .th or .safetensors file into {repo.folder}",
            subject=str(repo.bags[name]),
        )
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ModelError(
            f"has several networks called {signature}: {names}. Remove all but one.", subject=str(repo.folder)
        )
    return files[0]


def _verified_checksum(file: Path) -> str:
    """Return the SHA-256 of a file. Raises ModelError if the checksum in its name differs."""
    digest = checksum(file)
    _, dash, expected = file.stem.rpartition("-")
    if file.suffix == ENDINGS[0] and dash and not digest.startswith(expected):
        raise ModelError(
            f"is damaged or was altered: its SHA-256 begins with {digest[: len(expected)]}, not with {expected} as in "
            "its name. Get it again.",
            subject=str(file),
        )
    return digest


def _converted(name: str, bag: Bag, files: Sequence[Path]) -> Model:
    """Load the model of these files from the cache; convert it first if it isn't there."""
    checksums = {file: _verified_checksum(file) for file in files}
    sums = [checksums[file] for file in files]
    # Compute the key without reading the packages: on a cache hit, the same bytes have been checked before.
    folder = folder_for([name, bag.signatures, bag.weights, bag.segment_s, sums, fingerprint_of_all()])
    if (model := intact(folder)) is not None:
        return model
    packages = [read_package(file) for file in files]

    def convert() -> None:
        convert_bag(
            packages,
            bag.weights,
            folder,
            name=name,
            version=sums[0][:8],
            licence=LICENCE,
            segment_s=bag.segment_s,
        )

    return load_or_convert(folder, convert)
