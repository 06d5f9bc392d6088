"""Records of how exact the native library is with a model's weights, in the cache folder.

accuracy/KEY.json   {"error_db": -72.1}; KEY is a hash of the model's description, which has the checksum of the
                    weights, of the library's sources, and of the instruction set
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.files.atomic import atomic_write
from unbraid.models import Model
from unbraid.models.cache import cache_folder
from unbraid.models.folder import DESCRIPTION, MIXTURE, SPECTRA, SPECTRUM, WAVEFORMS
from unbraid.native.build import library_path, library_stamp
from unbraid.native.library import native_library
from unbraid.separation.spectral import Spectral

LIMIT_DB = -60.0
"""Largest error of a stem, relative to the level of the mixture."""

# RMS of a segment that is loud enough for a check, relative to the song's deviation, by which the mixture is divided.
# Every song of a segment or more has such a segment.
LOUD = 0.5

# The same for networks that read only the spectrum, of a song that isn't divided: -46 dB of full scale. Such networks
# normalise each band, so the level has little effect on their errors.
LOUD_SPECTRUM = 0.005

# Mean square of the window of `Spectral`.
_WINDOW = 0.375


class AccuracyRecord:
    """The measured error of the native library with one set of weights."""

    def __init__(self, model: Model) -> None:
        library = native_library()
        assert library is not None
        key = f"{library_stamp(library_path())} {library.instructions} ".encode()
        digest = hashlib.sha256(key + (model.folder / DESCRIPTION).read_bytes()).hexdigest()
        self._path = cache_folder() / "accuracy" / f"{digest}.json"

    def read(self) -> float | None:
        """Return the error in dB; None if it was not measured."""
        try:
            return float(json.loads(self._path.read_text("utf-8"))["error_db"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, error_db: float) -> None:
        """Keep the error, unless the disk is full or read-only."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self._path) as file:
                file.write(json.dumps({"error_db": round(error_db, 1)}).encode())


def is_exact(error_db: float) -> bool:
    """Whether the native library may compute with weights of this error."""
    return error_db <= LIMIT_DB  # false for NaN


def is_loud(model: Model, inputs: Mapping[str, Floats]) -> bool:
    """Whether a segment is loud enough for a check, and finite."""
    if MIXTURE in inputs:
        return bool(LOUD <= np.sqrt(np.mean(np.square(inputs[MIXTURE], dtype=np.float64))) < np.inf)
    assert model.n_fft
    # Parseval's theorem. A spectrum has one half of the bins.
    bins = inputs[SPECTRUM].shape[-3]
    energy = 2 * np.square(inputs[SPECTRUM], dtype=np.float64).sum() * bins / (inputs[SPECTRUM].size / 2)
    return bool(LOUD_SPECTRUM <= np.sqrt(energy / (_WINDOW * model.n_fft)) < np.inf)


def error_db(
    model: Model, inputs: Mapping[str, Floats], outputs: Mapping[str, Floats], exact: Mapping[str, Floats]
) -> float:
    """Return the error of the worst stem, relative to the level of the mixture, in dB."""
    if MIXTURE not in inputs:
        return _ratio_db(outputs[SPECTRA][0] - exact[SPECTRA][0], inputs[SPECTRUM])
    mixture = inputs[MIXTURE][0]
    stems = outputs[WAVEFORMS][0] - exact[WAVEFORMS][0]
    assert model.n_fft and model.hop
    spectral = Spectral(model.n_fft, model.hop, model.edges)
    for stem, one, other in zip(stems, outputs[SPECTRA][0], exact[SPECTRA][0], strict=True):
        spectral.add_inverse(one - other, mixture.shape[-1], stem)
    return _ratio_db(stems, mixture)


def _ratio_db(errors: Floats, mixture: Floats) -> float:
    """Return the energy of the worst stem's error relative to that of the mixture, in dB."""
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = max(np.square(error, dtype=np.float64).sum() for error in errors)
        return float(10 * np.log10(energy / np.square(mixture, dtype=np.float64).sum()))
