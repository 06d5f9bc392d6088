"""`demucs.api`: separate songs in memory, with the arguments and results of demucs 4.1.0.

>>> from unbraid.demucs.api import Separator, save_audio
>>> separator = Separator("htdemucs")  # doctest: +SKIP
>>> song, stems = separator.separate_audio_file("song.mp3")  # doctest: +SKIP
>>> save_audio(stems["vocals"], "vocals.wav", separator.samplerate)  # doctest: +SKIP

Memory grows with the song, as in demucs. For new code use `unbraid.Separator`, whose memory doesn't.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from unbraid import separation
from unbraid.audio.arrays import Floats
from unbraid.audio.blocks import resampled
from unbraid.audio.decode import Decoder
from unbraid.cli.demucs_models import available_models, choose_model
from unbraid.cli.progress import Display, Silence, choose_display
from unbraid.demucs.arrays import Sound, as_result, converter_like, to_array
from unbraid.demucs.audio import save_audio
from unbraid.demucs.segments import Callback, SegmentCalls
from unbraid.errors import InputError, ModelError
from unbraid.separation.array_song import ArraySong
from unbraid.separation.settings import PUBLISHED
from unbraid.separation.song import STEREO

__all__ = ["LoadAudioError", "LoadModelError", "Separator", "list_models", "save_audio"]

Stems = dict[str, Sound]


class LoadAudioError(InputError):
    """The file can't be read."""


class LoadModelError(ModelError):
    """The model is unknown, can't be downloaded, or is damaged."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Properties of the loaded model, by the names that demucs gives them."""

    sources: list[str]
    samplerate: int
    audio_channels: int
    segment: float
    """Length of a segment in seconds."""


@dataclass(frozen=True, slots=True)
class _Parameters:
    device: Any = None
    shifts: int = 1
    overlap: float = 0.25
    split: bool = True
    segment: float | None = None
    jobs: int = 0
    progress: bool = False
    callback: Callback | None = None
    callback_arg: Mapping[str, Any] | None = None


# Parameters that can change without loading the model again.
_LIGHT = {"split", "progress", "callback", "callback_arg"}


class Separator:
    """A loaded model. Thread-safe; one song computes at a time.

    Args:
        model: name or signature of the model, or the path of a model folder.
        repo: folder of published weights; `model` is then a name in it.
        device: `cpu`, `cuda`, `cuda:1`, `mps`, or a `torch.device`. None: a graphics card if one is usable.
        shifts: number of runs to average, each shifted by up to half a second; 0: one run without a shift.
        overlap: overlap of neighbouring segments, as a share of a segment.
        split: ignored; songs are always split.
        segment: length of a segment in seconds; None: the model's.
        jobs: segments computed at the same time; 0: the default of the device.
        progress: show progress on standard error.
        callback: called with a dict at the start and the end of each segment; see SegmentCalls. KeyboardInterrupt or
            another exception raised in it ends the separation.
        callback_arg: further entries of that dict.

    Raises LoadModelError and SettingError.
    """

    def __init__(
        self,
        model: str | PathLike[str] = "htdemucs",
        repo: str | PathLike[str] | None = None,
        device: Any = None,
        shifts: int = 1,
        overlap: float = 0.25,
        split: bool = True,
        segment: float | None = None,
        jobs: int = 0,
        progress: bool = False,
        callback: Callback | None = None,
        callback_arg: Mapping[str, Any] | None = None,
    ) -> None:
        self._name = fspath(model)
        self._repo = None if repo is None else Path(repo)
        self._parameters = _Parameters(
            device, shifts, overlap, split, segment, jobs, progress, callback, callback_arg
        )
        self._engine: separation.Separator | None = None
        loaded = self._load()
        self._model = LoadedModel(
            list(loaded.sources), loaded.sample_rate, STEREO, float(loaded.model.segment_s)
        )

    def update_parameter(self, **parameters: Any) -> None:
        """Change parameters of the constructor, except `model` and `repo`. The others keep their values.

        If the change needs it, the next separation loads the model again.
        """
        self._parameters = replace(self._parameters, **parameters)
        if parameters.keys() - _LIGHT:
            self._engine = None

    def separate_tensor(self, wav: Sound, sr: int | None = None) -> tuple[Sound, Stems]:
        """Separate samples (1 or 2 channels, n) at `sr` Hz (None: the model's rate).

        Returns the song and its stems, each (2, samples) at the model's rate. A tensor gives tensors on the same
        device, an array gives arrays. Raises SettingError and InputError.
        """
        song = ArraySong(to_array(wav), self.samplerate if sr is None else sr)
        array = _stereo(song.blocks(), song.sample_rate, self.samplerate, song.channels)
        return self._separate(array, converter_like(wav), "song")

    def separate_audio_file(self, file: str | PathLike[str]) -> tuple[Sound, Stems]:
        """Separate a file.

        Returns the song and its stems, each (2, samples) at the model's rate: tensors if PyTorch is installed, else
        arrays. Raises LoadAudioError, and warns of damage in the file.
        """
        return self._separate(self._decode(file), as_result, Path(file).name)

    def _load_audio(self, track: str | PathLike[str]) -> Sound:
        """Decode a file, as (2, samples) at the model's rate. Private in demucs too, but scripts call it."""
        return as_result(self._decode(track))

    @property
    def samplerate(self) -> int:
        """Sample rate of the model in Hz."""
        return self._model.samplerate

    @property
    def audio_channels(self) -> int:
        """Number of channels of the stems."""
        return self._model.audio_channels

    @property
    def model(self) -> LoadedModel:
        """The model's properties. It isn't a PyTorch module."""
        return self._model

    def _load(self) -> separation.Separator:
        """Return the engine for the current parameters, loaded if necessary."""
        if self._engine is None:
            parameters = self._parameters
            with _as_load_model_error():
                self._engine = separation.Separator(
                    choose_model(self._name, self._repo).model,
                    repo=self._repo,
                    device="auto" if parameters.device is None else str(parameters.device),
                    shifts=parameters.shifts,
                    overlap=parameters.overlap,
                    segment_s=PUBLISHED if parameters.segment is None else parameters.segment,
                    jobs=parameters.jobs or None,
                    notice=warnings.warn,
                )
        return self._engine

    def _decode(self, file: str | PathLike[str]) -> Floats:
        try:
            with Decoder(file, channels=STEREO) as decoder:
                array = _stereo(decoder, decoder.sample_rate, self.samplerate, STEREO)
        except InputError as error:
            raise LoadAudioError(error.reason, subject=error.subject) from error
        for warning in decoder.warnings:
            warnings.warn(str(warning), stacklevel=3)
        return array

    def _separate(self, song: Floats, convert: Callable[[Floats], Sound], name: str) -> tuple[Sound, Stems]:
        engine, parameters = self._load(), self._parameters
        display: Display = choose_display(quiet=False) if parameters.progress else Silence()
        calls = self._segment_calls(engine, song.shape[1])

        def report(update: separation.Progress) -> None:
            display.update(update)
            if calls:
                calls.report(update)

        display.start(name, 1, 1)
        try:
            stems = engine.separate(song, progress=report)
        finally:
            display.clear()
        return convert(song), {stem: convert(samples) for stem, samples in stems.items()}

    def _segment_calls(self, engine: separation.Separator, samples: int) -> SegmentCalls | None:
        parameters, model = self._parameters, engine.model
        if parameters.callback is None:
            return None
        seconds = model.segment_s if parameters.segment is None else parameters.segment
        return SegmentCalls(
            parameters.callback,
            parameters.callback_arg,
            samples=samples,
            stride=int((1 - parameters.overlap) * int(seconds * model.sample_rate)),
            shifts=parameters.shifts,
            models=len(model.networks),
        )


def list_models(repo: str | PathLike[str] | None = None) -> dict[str, dict[str, str | Path]]:
    """List the models of the catalogue, or those in the folder `repo`.

    `single` maps signatures to files or their URLs, `bag` maps names to files or folders. Raises LoadModelError.
    """
    with _as_load_model_error():
        models = available_models(None if repo is None else Path(repo))
    return {"single": dict(models.networks), "bag": dict(models.bags)}


@contextmanager
def _as_load_model_error() -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        raise LoadModelError(error.reason, subject=error.subject, fault=error.fault) from error


def _stereo(blocks: Iterable[Floats], from_rate: int, to_rate: int, channels: int) -> Floats:
    """Join blocks (channels, n) to (2, samples) at `to_rate`."""
    parts = [np.zeros((channels, 0), np.float32), *resampled(blocks, from_rate, to_rate, channels)]
    joined = np.concatenate(parts, axis=1)
    return joined if channels == STEREO else np.repeat(joined, STEREO, axis=0)
