"""A user's script with complete types: `mypy` checks it with the package, and test_stream_api.py runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import unbraid
from unbraid import Progress, Result, Separator, Stems, UnbraidError


def run(separator: Separator, song: Path, out: Path) -> dict[str, NDArray[np.float32]]:
    """Use every method of Separator on `song`."""

    def show(progress: Progress) -> None:
        assert_type(progress.fraction, float)

    stems = separator.separate(song, stems=["vocals", "no_vocals"], progress=show)
    assert_type(stems, Stems)
    assert_type(stems["vocals"], NDArray[np.float32])
    assert_type(stems.sample_rate, int)
    pieces: list[NDArray[np.float32]] = []
    for start, piece in separator.stream(song, stems="vocals,"):
        assert_type(start, int)
        assert_type(piece, Stems)
        pieces.append(piece["vocals"])
    result = separator.separate_to_files(song, out, stems="mix,vocals", format="flac")
    assert_type(result, Result)
    assert_type(result.files, dict[str, Path])
    for path, outcome in separator.separate_files([song], out, stems="all", subtype="24", progress=None):
        assert_type(outcome, Result | UnbraidError)
        if isinstance(outcome, UnbraidError):
            raise RuntimeError(f"{path}: {outcome.message}")
    array: NDArray[Any] = np.zeros((2, 100), np.int16)
    assert_type(separator.separate(array, 44100), Stems)
    assert_type(unbraid.__version__, str)
    return {"streamed": np.concatenate(pieces, axis=1), "separated": stems["vocals"]}
