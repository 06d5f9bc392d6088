"""A file that the test server serves, and its entry in a catalogue."""

from __future__ import annotations

import hashlib

import numpy as np

from unbraid.models.download import Patience
from unbraid.models.published import ModelFile

BODY = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
NAME = "0a1b2c3d-4e5f6071.th"
SHORT_PATIENCE = Patience(tries=3, pause_s=0.01, connect_s=2, read_s=0.4)


def model_file(address: str, body: bytes = BODY, size: int | None = None) -> ModelFile:
    """Return the entry for a file on the server at `address`. `size` is the catalogue's, 0 if it has none."""
    checksum = hashlib.sha256(body).hexdigest()
    return ModelFile(f"{address}/demucs/{NAME}", checksum, len(body) if size is None else size)
