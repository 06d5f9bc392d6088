"""Read a piece of a song as the page does."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from tests.audio.sounds import Sound
from tests.jobs.test_preview import decode_flac


def read_piece(piece: bytes) -> tuple[dict[str, Any], Sound]:
    """Return the header of a piece, and its stems as they are played, (stems, channels, samples)."""
    line, _, flacs = piece.partition(b"\n")
    header = json.loads(line)
    chunks, at = [], 0
    for lengths in header["lengths"]:
        chunk = []
        for length in lengths:
            chunk.append(decode_flac(flacs[at : at + length]) * header["gain"])
            at += length
        chunks.append(np.array(chunk))
    assert at == len(flacs)
    return header, np.concatenate(chunks, axis=-1)
