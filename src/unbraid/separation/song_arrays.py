"""Separate one song into arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unbraid.separation.pipeline import Pipeline, Task
from unbraid.separation.progress import Reporter
from unbraid.separation.second_passes import SecondPass
from unbraid.separation.song import ArraySong, Song, analyse
from unbraid.separation.stems import StemChoice, Stems
from unbraid.separation.writers import SILENT, ArrayWriter


def separate_song(pipeline: Pipeline, song: Song, choice: StemChoice, reporter: Reporter) -> Stems:
    """Return the stems of `song`, with its sample rate, channels and length. Raises InputError, Cancelled."""
    analysis = analyse(song, pipeline.model, reporter)
    task = Task(song, analysis, choice, song.sample_rate, song.channels, reporter)
    writer = ArrayWriter(np.zeros((len(choice.names), task.channels, task.samples), np.float32))
    pipeline.separate(task, writer)
    named = dict(zip(choice.names, writer.stems, strict=True))
    if choice.left_over and np.abs(writer.stems[-1]).max() <= SILENT:
        del named[choice.names[-1]]
    return Stems(named, song.sample_rate, analysis.warnings)


def add_parts(stems: Stems, passes: Sequence[SecondPass], reporters: Sequence[Reporter]) -> Stems:
    """Separate stems further. Return `stems` with their parts."""
    named, warnings = dict(stems), list(stems.warnings)
    for second, reporter in zip(passes, reporters, strict=True):
        song = ArraySong(stems[second.stem], stems.sample_rate)
        parts = separate_song(second.pipeline, song, second.choice, reporter)
        named |= {second.prefix + name: part for name, part in parts.items()}
        warnings += parts.warnings
    return Stems(named, stems.sample_rate, warnings)
