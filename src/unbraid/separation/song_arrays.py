"""Separate one song into arrays in memory, as a whole or piece by piece."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from unbraid.audio.times import TimeRange
from unbraid.errors import SettingError
from unbraid.separation.array_song import ArraySong, Samples, is_array
from unbraid.separation.numbers import whole_number
from unbraid.separation.pipeline import Pipeline, Task
from unbraid.separation.progress import Reporter
from unbraid.separation.second_passes import SecondPass
from unbraid.separation.song import FileSong, Song, analyse
from unbraid.separation.song_range import cut_task
from unbraid.separation.stems import StemChoice, Stems
from unbraid.separation.writers import SILENT, ArrayWriter


def separate_song(
    pipeline: Pipeline, song: Song, choice: StemChoice, reporter: Reporter, part: TimeRange | None = None
) -> Stems:
    """Return the stems of `song`, or of a part of it, with its sample rate and channels, and its length.

    Raises InputError and Cancelled.
    """
    analysis = analyse(song, pipeline.model, reporter)
    task = Task(song, analysis, choice, song.sample_rate, song.channels, reporter)
    task = cut_task(task, part, pipeline.plan)
    writer = ArrayWriter(np.zeros((len(choice.names), task.channels, task.samples), np.float32))
    pipeline.separate(task, writer)
    named = dict(zip(choice.names, writer.stems, strict=True))
    if choice.left_over and np.abs(writer.stems[-1]).max() <= SILENT:
        del named[choice.names[-1]]
    return Stems(named, song.sample_rate, task.analysis.warnings)


def open_song(
    song: str | PathLike[str] | Samples, sample_rate: int | None, default_rate: int, audio_stream: int | None
) -> Song:
    """Open a file, or an array at `sample_rate` (None: `default_rate`). Raises InputError and SettingError."""
    if is_array(song):
        return ArraySong(cast(Samples, song), default_rate if sample_rate is None else sample_rate)
    if not isinstance(song, str | PathLike):
        raise SettingError(f"A song is a path or an array of samples, not {type(song).__name__}.")
    if sample_rate is not None:
        raise SettingError("sample_rate is for arrays. Leave it out for a file, which has its own.")
    stream = None if audio_stream is None else whole_number(audio_stream, "The audio stream")
    return FileSong(song, stream)


def stream_song(
    pipeline: Pipeline, song: Song, choice: StemChoice, reporter: Reporter, part: TimeRange | None = None
) -> Generator[tuple[int, Stems]]:
    """Yield the stems of `song`, or of a part of it, as they become final: each piece with its first sample.

    Raises InputError, OutputError (there is no room for temporary files) and Cancelled.
    """
    analysis = analyse(song, pipeline.model, reporter)
    with TemporaryDirectory(prefix="unbraid-") as folder:
        sums = Path(folder, "sums.f32")
        task = Task(song, analysis, choice, song.sample_rate, song.channels, reporter, sums)
        task = cut_task(task, part, pipeline.plan)
        start = 0
        with closing(pipeline.stream(task)) as blocks:
            for block in blocks:
                named = dict(zip(choice.names, block, strict=True))
                yield start, Stems(named, song.sample_rate, task.analysis.warnings)
                start += block.shape[-1]


def add_parts(stems: Stems, passes: Sequence[SecondPass], reporters: Sequence[Reporter]) -> Stems:
    """Separate stems further. Return `stems` with their parts."""
    named, warnings = dict(stems), list(stems.warnings)
    for second, reporter in zip(passes, reporters, strict=True):
        song = ArraySong(stems[second.stem], stems.sample_rate)
        parts = separate_song(second.pipeline, song, second.choice, reporter)
        named |= {second.prefix + name: part for name, part in parts.items()}
        warnings += parts.warnings
    return Stems(named, stems.sample_rate, warnings)
