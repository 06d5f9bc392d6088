"""A file as a server has it and the catalogue names it."""

from __future__ import annotations

import hashlib

import numpy as np

from unbraid.models.download import ModelFile, Patience

BODY = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
NAME = "0a1b2c3d-4e5f6071.th"
HURRIED = Patience(tries=3, pause_s=0.01, connect_s=2, read_s=0.4)


def model_file(address: str, body: bytes = BODY, size: int | None = None) -> ModelFile:
    """What is asked for of the server at `address`; `size` is what the catalogue says, 0 where it has none."""
    checksum = hashlib.sha256(body).hexdigest()
    return ModelFile(f"{address}/demucs/{NAME}", checksum, len(body) if size is None else size)
