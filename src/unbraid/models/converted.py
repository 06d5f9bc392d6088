"""The cache of models that were converted from files: folders whose names are hashes of the files and settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.models.cache import cache_folder, locked
from unbraid.models.folder import Model, load_model_folder

LICENCE = "not stated"  # published files don't contain their licence


def folder_for(key: Sequence[object]) -> Path:
    """Return the folder for a key, JSON values of which the model is a function, such as checksums of its files."""
    return cache_folder() / "repo" / hashlib.sha256(json.dumps(key).encode()).hexdigest()


def load_or_convert(folder: Path, convert: Callable[[], None]) -> Model:
    """Load the model in `folder`. If it is missing or damaged, call `convert` first, which writes it.

    Raises ModelError.
    """
    # Check before locking, because a lock needs a writable cache. Check again inside: another process may have
    # converted the model meanwhile.
    if (model := intact(folder)) is not None:
        return model
    with locked(folder):
        if (model := intact(folder)) is not None:
            return model
        convert()
        return load_model_folder(folder)


def intact(folder: Path) -> Model | None:
    """Load the model in `folder`; None if it is missing or damaged."""
    if folder.is_dir():
        with suppress(ModelError):
            return load_model_folder(folder)
    return None


def checksum(file: Path) -> str:
    """Return the SHA-256 of a file. Raises ModelError if it can't be read."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(file)) from error
