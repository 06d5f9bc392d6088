"""Separate a song into one stem file for DJ programs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from unbraid.analysis import MusicAnalyser
from unbraid.audio.formats import stem_format
from unbraid.audio.stem_file import CHANNELS, StemFile
from unbraid.audio.stem_names import ALL, STEM_FILE, VOCALS
from unbraid.audio.times import TimeRange
from unbraid.errors import SettingError
from unbraid.separation.pipeline import Pipeline, Task
from unbraid.separation.progress import Reporter
from unbraid.separation.song import FileSong, analyse
from unbraid.separation.song_files import FileOptions, WrittenStems, stem_writer
from unbraid.separation.song_range import cut_task
from unbraid.separation.stems import StemChoice
from unbraid.separation.writers import Analysed


def check_stem_file_options(options: FileOptions, stems: str, has_parts: bool, video: bool) -> None:
    """Raise SettingError for options that don't go with a stem file. `stems` is VOCALS if it was left out."""
    if stems not in (ALL, VOCALS):
        raise SettingError(f"A stem file has all stems. Leave out {stems}, or choose another format.")
    if options.channels == 1:
        raise SettingError("A stem file is always stereo. Leave the channels out, or choose another format.")
    if has_parts:
        raise SettingError("A stem file has no parts of stems. Choose another format for second passes.")
    if video:
        raise SettingError("A stem file has no pictures. Choose another format for the video.")


def write_stem_file(
    pipeline: Pipeline,
    song: FileSong,
    choice: StemChoice,
    options: FileOptions,
    path: Path,
    spools: tuple[Path, Path],
    reporter: Reporter,
    part: TimeRange | None = None,
) -> WrittenStems:
    """Separate `song` into the stem file `path`. Memory doesn't grow with the song's length.

    `spools` are two temporary files: sums of networks, and stems. `part`: only this part of the song.

    Raises InputError, OutputError, SettingError, Cancelled.
    """
    rate = stem_format(options.subtype).rate_for(options.sample_rate or song.sample_rate)
    sums, spool = spools
    task = Task(song, analyse(song, pipeline.model, reporter), choice, rate, CHANNELS, reporter, sums)
    task = cut_task(task, part, pipeline.plan)
    analyser = MusicAnalyser(choice.names, rate)
    with ExitStack() as stack:
        file = stack.enter_context(
            StemFile(
                path,
                sample_rate=rate,
                samples=task.samples,
                subtype=options.subtype,
                bitrate=options.bitrate,
                tags=song.info.tags if part is None else song.info.tags.without_times(),
            )
        )
        writer = stem_writer(options.clip_mode_for(song.info.depth), choice, file.track, stack, spool)
        pipeline.separate(task, Analysed(writer, analyser))
        music = analyser.finish()
        file.add_tags(music.texts)
    return WrittenStems({STEM_FILE: path}, task.seconds, rate, writer.gain, task.analysis.warnings, music)
