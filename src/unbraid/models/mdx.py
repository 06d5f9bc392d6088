"""Convert MDX-Nets, the ONNX files of UVR and KUIELab, into model folders.

The file is the network; `unbraid.models.mdx_settings` has what else it takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unbraid.errors import ModelError
from unbraid.models.cache import new_model_folder
from unbraid.models.converted import LICENCE, checksum, folder_for, load_or_convert
from unbraid.models.folder import DESCRIPTION, GRAPH, WEIGHTS, Model
from unbraid.models.mdx_graph import MdxGraph, check_mdx_graph
from unbraid.models.mdx_settings import (
    CHANNELS,
    FORM,
    HOP,
    MdxSettings,
    known_settings,
    settings_beside,
    settings_of,
    uvr_hash,
)
from unbraid.models.mdx_write import LOWEST_BINS, encoded, unwrapped, wrapped, write_files
from unbraid.models.readers.onnx import read_graph
from unbraid.models.readers.tensors import PackageError


def convert_mdx(
    path: Path,
    folder: Path,
    *,
    name: str,
    version: str,
    licence: str,
    settings: MdxSettings | None = None,
) -> None:
    """Write the model folder of a file atomically, over an older one. `settings`: None to look them up.

    The caller holds the lock of `folder`. Raises ModelError if the file isn't an MDX-Net, or its settings are unknown.
    """
    graph = read_graph(path)
    try:
        checked = check_mdx_graph(graph)
        settings = settings or settings_of(path, checked.bins, checked.frames)
        _check_settings(settings, checked)
    except PackageError as error:
        raise error.about(path) from error
    with new_model_folder(folder) as new:
        sums = write_files(*graph_of(checked, settings), new)
        described = {
            "name": name,
            "version": version,
            "licence": licence,
            **settings.description,
            "sha256": sums,
        }
        (new / DESCRIPTION).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def convert_published(
    path: Path,
    folder: Path,
    expected_hash: str,
    names: Mapping[str, str],
    *,
    name: str,
    version: str,
    licence: str,
) -> None:
    """Convert a file that UVR knows by `expected_hash`; see `convert_mdx`. `names`: other names of stems.

    Raises ModelError.
    """
    if (found := uvr_hash(path)) != expected_hash:
        raise ModelError(
            f"is a different file (UVR's hash of it is {found}, not {expected_hash}). Get it again from its publisher.",
            subject=str(path),
        )
    settings = known_settings()[expected_hash].renamed(names)
    convert_mdx(path, folder, name=name, version=version, licence=licence, settings=settings)


def load_mdx_file(path: Path) -> Model:
    """Load the model of an MDX-Net file. Convert it into the user's cache the first time.

    The key in the cache is a hash of the file and its settings, so an altered file is converted again. Raises
    ModelError.
    """
    digest, beside = checksum(path), settings_beside(path)
    known = list(map(repr, known_settings().values()))
    folder = folder_for(["mdx", FORM, path.stem, digest, beside, known])

    def convert() -> None:
        convert_mdx(path, folder, name=path.stem, version=digest[:8], licence=LICENCE)

    return load_or_convert(folder, convert)


def is_converted(folder: Path, settings: MdxSettings) -> bool:
    """Whether a folder has a graph that this module writes for an MDX-Net with these settings."""
    try:
        stored = read_graph(folder / GRAPH, folder / WEIGHTS)
        checked = check_mdx_graph(unwrapped(stored, settings.bins, settings.frames))
    except (ModelError, PackageError):
        return False
    return encoded(*graph_of(checked, settings)) == (folder / GRAPH).read_bytes()


def graph_of(checked: MdxGraph, settings: MdxSettings) -> tuple[Any, tuple[int, ...]]:
    """Return the graph of the model folder, and the shape of its output."""
    shape = (1, 1, CHANNELS, settings.n_fft // 2 + 1, checked.frames, 2)
    return wrapped(checked, settings.n_fft, settings.compensation), shape


def _check_settings(settings: MdxSettings, graph: MdxGraph) -> None:
    """Raise PackageError unless the network has these sizes."""
    if (settings.bins, settings.frames) != (graph.bins, graph.frames):
        raise PackageError(
            f"its network has {graph.bins} x {graph.frames} bins and frames, and its settings "
            f"{settings.bins} x {settings.frames}",
            "Use another model.",
        )
    if not LOWEST_BINS < settings.bins <= settings.n_fft // 2 + 1:
        raise PackageError(
            f"its {settings.bins} bins don't fit a window of {settings.n_fft} samples", "Correct its n_fft."
        )
    if HOP * (settings.frames - 1) < settings.n_fft:
        raise PackageError(f"its {settings.frames} frames are shorter than its window", "Correct its n_fft.")
