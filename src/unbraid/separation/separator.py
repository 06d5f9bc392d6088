"""The public face: load a model once, separate as many songs with it as you like."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.audio import Encoder
from unbraid.errors import SettingError
from unbraid.models import Model, find_model
from unbraid.separation.network import Network
from unbraid.separation.output import StemFolder, output_folder_name
from unbraid.separation.pipeline import Pipeline
from unbraid.separation.progress import CancelToken, ProgressCallback, Reporter
from unbraid.separation.runtime import load_runtime
from unbraid.separation.settings import Settings
from unbraid.separation.song import ArraySong, FileSong, Song, analyse
from unbraid.separation.stems import ALL, CLIP_MODES, Stems, choose_stems
from unbraid.separation.writers import ArrayWriter, DirectWriter, RescalingWriter


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one song."""

    files: dict[str, Path]
    """Stem name -> file."""
    duration_s: float
    sample_rate: int
    """Of the files, Hz."""
    warnings: tuple[str, ...]
    """What was wrong with the song but could be coped with, one line each."""
    seconds: float
    """Time it took."""
    model: str
    gain: float
    """What all stems were multiplied by so that none clips; 1 where none would have."""


class Separator:
    """Takes songs apart. Loads its model when made; may be used by several threads at once.

    `model`: a name of the catalogue, `auto` (the best that is there) or the path of a model folder.
    `overlap`: share of a segment that the next reads again (0 to below 1), `segment_s`: its length in
    seconds; both as the model wants when None. `shifts`: average over that many random shifts of up to half a
    second (0: none), drawn from `seed`. `threads`: CPU threads in all; `jobs`: segments computed at once.
    Raises ModelError and SettingError.
    """

    def __init__(
        self,
        model: str | PathLike[str] = "auto",
        *,
        device: str = "auto",
        overlap: float | None = None,
        segment_s: float | None = None,
        shifts: int = 0,
        seed: int = 0,
        threads: int | None = None,
        jobs: int = 1,
    ) -> None:
        self.model: Model = find_model(model if isinstance(model, str) else Path(fspath(model)))
        settings = Settings.checked(self.model, overlap, segment_s, shifts, seed, threads, jobs)
        load = partial(load_runtime, device=device, threads=threads, jobs=jobs)
        runs = settings.runs(Network(self.model, settings.length, load), self.model.sample_rate)
        self._pipeline = Pipeline(self.model, runs, jobs)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the stems that the model knows."""
        return self.model.sources

    @property
    def sample_rate(self) -> int:
        """The model's, in Hz; songs of other rates are resampled for it and back."""
        return self.model.sample_rate

    def separate(
        self,
        song: str | PathLike[str] | NDArray[Any],
        sample_rate: int | None = None,
        *,
        stems: str | None = None,
        audio_stream: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Stems:
        """Stems of a file, or of an array (1 or 2 channels, samples) at `sample_rate` (None: the model's).

        They have the rate, the channels and exactly the length of the song, and are not limited to full
        scale. `stems`: all (None), or the name of one, which comes with its complement. Raises InputError,
        SettingError, Cancelled.
        """
        choice = choose_stems(stems or ALL, self.sources)
        source: Song
        if isinstance(song, np.ndarray):
            source = ArraySong(song, sample_rate or self.sample_rate)
        elif sample_rate is None:
            source = FileSong(song, audio_stream)
        else:
            raise SettingError("sample_rate is that of an array; a file says its own")
        reporter = Reporter(source.sample_rate, progress, cancel)
        analysis = analyse(source, self.model, reporter)
        shape = (len(choice.names), source.channels, analysis.samples)
        writer = ArrayWriter(np.zeros(shape, np.float32))
        self._pipeline.separate(source, analysis, choice, writer, reporter)
        named = dict(zip(choice.names, writer.stems, strict=True))
        return Stems(named, source.sample_rate, analysis.warnings)

    def separate_to_files(
        self,
        song: str | PathLike[str],
        out_dir: str | PathLike[str],
        *,
        stems: str = "vocals",
        format: str = "wav",
        subtype: str = "16",
        bitrate: int | None = None,
        clip_mode: str = "rescale",
        name: str | None = None,
        audio_stream: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Result:
        """Write `out_dir/SONG/STEM.format`; SONG is `name`, or the file's name without its ending.

        All files appear at the end, at once and whole; on any error or when cancelled, none does. `subtype`:
        16, 24 or float (WAV), `bitrate` in bit/s (MP3, M4A, Opus). `clip_mode` for stems beyond full scale:
        rescale (all stems by one gain, so that they still add up), clamp, or none. Memory does not grow with
        the song. Raises InputError, OutputError, SettingError, Cancelled.
        """
        started = time.monotonic()
        choice = choose_stems(stems, self.sources)
        if clip_mode not in CLIP_MODES:
            raise SettingError(f"there is no clip mode {clip_mode!r}; there is {', '.join(CLIP_MODES)}")
        source = FileSong(song, audio_stream)
        reporter = Reporter(source.sample_rate, progress, cancel)
        with StemFolder(Path(out_dir), name or output_folder_name(song)) as folder:
            analysis = analyse(source, self.model, reporter)
            encoders: dict[str, Encoder] = {}

            def open_encoder(stem: str) -> Encoder:
                encoders[stem] = Encoder(
                    folder.stems / f"{stem}.{format}",
                    sample_rate=source.sample_rate,
                    channels=source.channels,
                    format=format,
                    subtype=subtype,
                    bitrate=bitrate,
                    tags=source.info.tags,
                    cover=source.info.cover,
                    cover_mime=source.info.cover_mime,
                    samples=analysis.samples,
                )
                return encoders[stem]

            with ExitStack() as stack:
                writer: DirectWriter | RescalingWriter
                if clip_mode == "rescale":
                    writer = RescalingWriter(choice.names, open_encoder, stack, folder.spool("stems.f32"))
                else:
                    writer = DirectWriter(choice.names, open_encoder, stack, clamp=clip_mode == "clamp")
                self._pipeline.separate(source, analysis, choice, writer, reporter)
            reporter.check()
            folder.publish()
        return Result(
            files={stem: folder.target / encoders[stem].path.name for stem in choice.names},
            duration_s=analysis.samples / source.sample_rate,
            sample_rate=encoders[choice.names[0]].sample_rate,
            warnings=analysis.warnings,
            seconds=time.monotonic() - started,
            model=self.model.name,
            gain=writer.gain,
        )
