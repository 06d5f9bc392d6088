"""The public face: load a model once, separate as many songs with it as you like."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.audio.encode import Encoder
from unbraid.audio.video import check_video, write_without
from unbraid.errors import Cancelled, SettingError, SongWarning, UnbraidError
from unbraid.models import Model, find_model
from unbraid.out_of_memory import report_out_of_memory
from unbraid.separation.batch import Begun, overlapped
from unbraid.separation.network import Network, NetworkCache
from unbraid.separation.output import StemFolder, output_folder_name, output_folder_names
from unbraid.separation.pipeline import Pipeline, Task
from unbraid.separation.progress import CancelToken, Leaving, Progress, ProgressCallback, Reporter
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.settings import BALANCED, Settings
from unbraid.separation.song import STEREO, ArraySong, FileSong, Song, analyse
from unbraid.separation.stems import ALL, CLIP_MODES, Stems, choose_stems
from unbraid.separation.writers import ArrayWriter, DirectWriter, RescalingWriter

VIDEO = "video"  # key of the video in Result.files


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one song."""

    files: dict[str, Path]
    """Stem name -> file; `video` -> the video without the voice, where the call asked for one."""
    duration_s: float
    sample_rate: int
    """Of the files, Hz."""
    warnings: tuple[SongWarning, ...]
    """What was wrong with the song but could be coped with, one line each."""
    seconds: float
    """Time it took, without waiting for its turn where several songs are separated at once."""
    model: str
    gain: float
    """What all stems were multiplied by so that none clips; 1 where none would have."""


class Separator:
    """Takes songs apart. Loads its model when made; may be used by several threads at once, which compute in turn.

    `model`: a name of the catalogue, `auto` (the best that can be had) or the path of a model folder; with `repo`,
    a folder of published weights, a name in that. A model that is not here is downloaded; `downloading` is told
    bytes done and bytes in all (0: not known), and `notice` what `auto` came to, in a line. `device`: cpu, cuda, mps
    or auto, a graphics card where one can be used. `overlap`: share of a segment that the next reads again (0 to
    below 1), `segment_s`: its length in seconds; `shifts`: average over that many random shifts of up to half a
    second (0: none), drawn from `seed`; where they are None, `quality` (fast, balanced, best) and the model decide.
    `threads`: CPU threads in all; `jobs`: segments computed at once (None: two, one on a single core or where they are
    long, eight on a graphics card). Raises ModelError, SettingError, and UnbraidError for a graphics card without
    enough memory.
    """

    def __init__(
        self,
        model: str | PathLike[str] = "auto",
        *,
        device: str = "auto",
        overlap: float | None = None,
        segment_s: float | None = None,
        shifts: int | None = None,
        seed: int = 0,
        threads: int | None = None,
        jobs: int | None = None,
        quality: str = BALANCED,
        repo: str | PathLike[str] | None = None,
        notice: Callable[[str], object] | None = None,
        downloading: Callable[[int, int], object] | None = None,
    ) -> None:
        self.model: Model = find_model(
            model if isinstance(model, str) else Path(fspath(model)),
            repo=None if repo is None else Path(fspath(repo)),
            progress=downloading,
            notice=notice,
        )
        settings = Settings(overlap, segment_s, shifts, seed, threads, jobs, quality)
        parts = settings.parts(self.model)
        lengths = {part.model: part.length for part in parts}
        loader = RuntimeLoader(self.model, device, threads=threads, jobs=jobs, notice=notice)
        networks = NetworkCache(lambda model: Network(model, lengths[model], loader.load))
        if not self.model.members:
            networks.get(self.model)
        self._pipeline = Pipeline(self.model, parts, networks)

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
        reporter = Reporter(progress, cancel)
        analysis = analyse(source, self.model, reporter)
        task = Task(source, analysis, choice, source.sample_rate, source.channels, reporter)
        writer = ArrayWriter(np.zeros((len(choice.names), task.channels, task.samples), np.float32))
        self._pipeline.separate(task, writer)
        named = dict(zip(choice.names, writer.stems, strict=True))
        return Stems(named, source.sample_rate, analysis.warnings)

    def separate_to_files(
        self,
        song: str | PathLike[str],
        out_dir: str | PathLike[str],
        *,
        stems: str = "vocals",
        complement: str = "rest",
        format: str = "wav",
        subtype: str = "16",
        bitrate: int | None = None,
        sample_rate: int | None = None,
        channels: int | None = None,
        clip_mode: str = "rescale",
        name: str | None = None,
        audio_stream: int | None = None,
        video: bool = False,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Result:
        """Write `out_dir/SONG/STEM.format`; SONG is `name`, or the file's name without its ending.

        All files appear at the end, at once and whole; on any error or when cancelled, none does. `complement`, for a
        single stem, is what `no_STEM` is: the rest of the song, the sum of the model's other stems, or none.
        `subtype`: 16, 24 or float (WAV), `bitrate` in bit/s (MP3, M4A, Opus); `sample_rate` and
        `channels` (1 or 2) are the song's unless given. `clip_mode` for stems beyond full scale: rescale (all stems by
        one gain, so that they still add up), clamp, or none. `video`: also copy the song's video with the accompaniment
        as its sound; the file is `files["video"]` of the result. Memory does not grow with the song. Raises
        InputError, OutputError, SettingError, Cancelled.
        """
        started = time.monotonic()
        choice = choose_stems(stems, self.sources, complement)
        if clip_mode not in CLIP_MODES:
            raise SettingError(f"there is no clip mode {clip_mode!r}; there is {', '.join(CLIP_MODES)}")
        if sample_rate is not None and sample_rate < 1:
            raise SettingError(f"the sample rate has to be above 0 Hz, not {sample_rate}")
        if channels not in (None, 1, STEREO):
            raise SettingError(f"stems have 1 or 2 channels, not {channels}")
        if video:
            check_video(song)
        source = FileSong(song, audio_stream)
        reporter = Reporter(progress, cancel)
        with StemFolder(Path(out_dir), name or output_folder_name(song)) as folder:
            task = Task(
                source,
                analyse(source, self.model, reporter),
                choice,
                sample_rate or source.sample_rate,
                channels or source.channels,
                reporter,
                folder.spool("sums.f32"),
            )
            encoders: dict[str, Encoder] = {}

            def open_encoder(stem: str) -> Encoder:
                encoders[stem] = Encoder(
                    folder.stems / f"{stem}.{format}",
                    sample_rate=task.sample_rate,
                    channels=task.channels,
                    format=format,
                    subtype=subtype,
                    bitrate=bitrate,
                    tags=source.info.tags,
                    cover=source.info.cover,
                    cover_mime=source.info.cover_mime,
                    samples=task.samples,
                )
                return encoders[stem]

            with ExitStack() as stack:
                writer: DirectWriter | RescalingWriter
                if clip_mode == "rescale":
                    writer = RescalingWriter(choice.names, open_encoder, stack, folder.spool("stems.f32"))
                else:
                    writer = DirectWriter(choice.names, open_encoder, stack, clamp=clip_mode == "clamp")
                waited_s = self._pipeline.separate(task, writer)
            files = {stem: encoders[stem].path for stem in choice.names}
            if video:
                files[VIDEO] = write_without(
                    song, files, folder.stems, stream=audio_stream, check=reporter.check
                )
            reporter.check()
            folder.publish()
        return Result(
            files={stem: folder.target / path.name for stem, path in files.items()},
            duration_s=task.seconds,
            sample_rate=encoders[choice.names[0]].sample_rate,
            warnings=task.analysis.warnings,
            seconds=time.monotonic() - started - waited_s,
            model=self.model.name,
            gain=writer.gain,
        )

    def separate_files(
        self,
        songs: Iterable[str | PathLike[str]],
        out_dir: str | PathLike[str],
        *,
        progress: Callable[[str | PathLike[str], Progress], object] | None = None,
        cancel: CancelToken | None = None,
        **options: Any,
    ) -> Generator[tuple[str | PathLike[str], Result | UnbraidError]]:
        """Separate many songs into files. Yields each song, in order, with its result or its error.

        While the stems of one song are encoded, the next song is read and computed. One network computes at a time, so
        two songs take the memory of one. A second song of the same name gets the folder `NAME (2)`. `options` are the
        other options of `separate_to_files`; a song that runs out of memory yields an UnbraidError.
        `progress` receives the song and its Progress, in the threads that work: songs overlap.
        When `cancel` is set, each song under way is yielded with Cancelled, and then Cancelled is raised. Closing the
        generator early cancels the songs under way.
        """
        left = Leaving(cancel)

        def separate(song: str | PathLike[str], name: str, begun: Begun) -> Result | UnbraidError | None:
            def report(update: Progress) -> None:
                if update.stage != "analysing":
                    begun()
                if progress:
                    progress(song, update)

            if left.is_set():
                return None
            try:
                with report_out_of_memory():
                    return self.separate_to_files(
                        song, out_dir, name=name, progress=report, cancel=left, **options
                    )
            except UnbraidError as error:
                return error

        songs = list(songs)
        work = [
            partial(separate, song, name)
            for song, name in zip(songs, output_folder_names(songs), strict=True)
        ]
        cancelled = False
        with closing(overlapped(work, left.set)) as outcomes:
            for song, outcome in zip(songs, outcomes, strict=True):
                if outcome is None:
                    raise Cancelled
                cancelled = cancelled or isinstance(outcome, Cancelled)
                yield song, outcome
        if cancelled:
            raise Cancelled
