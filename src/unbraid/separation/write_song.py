"""Write all files of a song: its stems, its video, and the parts of stems. They appear together at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from unbraid.analysis import Music
from unbraid.audio.formats import STEM
from unbraid.audio.video import write_without
from unbraid.separation.file_request import FileRequest
from unbraid.separation.folders import SongFolder
from unbraid.separation.output import StemFolder
from unbraid.separation.pipeline import Pipeline
from unbraid.separation.progress import Reporter
from unbraid.separation.result import VIDEO, Result, SecondResult
from unbraid.separation.second_passes import run_second_pass
from unbraid.separation.song import FileSong
from unbraid.separation.song_files import write_stems
from unbraid.separation.song_record import Making
from unbraid.separation.stem_files import write_stem_file
from unbraid.separation.writers import StemListener


def write_song(
    pipeline: Pipeline,
    song: FileSong,
    request: FileRequest,
    destination: SongFolder,
    reporters: Sequence[Reporter],
    listener: StemListener | None = None,
) -> Result:
    """Separate `song`, then the stems that `request` separates further. `reporters`: one for each pass over the song.

    See `Separator.separate_to_files`. Raises InputError, OutputError, SettingError, Cancelled.
    """
    reporter, *others = reporters
    options, passes, prefix = request.options, request.passes, request.prefix
    with pipeline.compute_lock.clock.measure() as timer, StemFolder(destination) as folder:
        # A second pass reads the stem before lossy coding.
        copies = {} if options.lossless else {one.stem: folder.spool(one.stem + ".wav") for one in passes}
        if options.format == STEM:
            path = folder.stems / destination.files[0]
            spools = folder.spool("sums.f32"), folder.spool("stems.f32")
            first = write_stem_file(
                pipeline, song, request.choice, options, path, spools, reporter, request.part
            )
        else:
            first = write_stems(
                pipeline,
                song,
                request.choice,
                options,
                folder,
                reporter,
                prefix=prefix,
                copies=copies,
                part=request.part,
                listener=listener,
            )
        files, warnings = dict(first.files), list(first.warnings)
        if request.video:
            files[VIDEO] = write_without(
                destination.song,
                first.files,
                folder.stems,
                stream=request.audio_stream,
                check=reporter.check,
            )
        then = {}
        for second, other in zip(passes, others, strict=True):
            stem = copies.get(second.stem, first.files[second.stem])
            tags = None if options.lossless else song.info.tags.with_texts(first.music.texts)
            parts = run_second_pass(second, stem, options, folder, other, tags)
            files |= parts.files
            warnings += parts.warnings
            then[second.stem] = SecondResult(second.pipeline.model.name, parts.gain)
        reporter.check()
        destination.files = [path.name for path in files.values()]
        places = {stem: path.name for stem, path in files.items()}
        named = {stem: asdict(second) for stem, second in then.items()}
        recipe = request.recipe(pipeline)
        making = Making(
            recipe, places, first.duration_s, first.sample_rate, first.gain, named, first.music.values
        )
        folder.publish(making)
    return Result(
        files={stem: destination.place(name) for stem, name in places.items()},
        duration_s=first.duration_s,
        sample_rate=first.sample_rate,
        warnings=(*warnings, *folder.warnings),
        seconds=timer.seconds,
        model=pipeline.model.name,
        gain=first.gain,
        then=then,
        music=first.music,
    )


def skipped(making: Making, destination: SongFolder) -> Result:
    """Return the result of a song whose files are there already."""
    return Result(
        files={stem: destination.place(name) for stem, name in making.stems.items()},
        duration_s=making.duration_s,
        sample_rate=making.sample_rate,
        warnings=(),
        seconds=0.0,
        model=making.recipe.model,
        gain=making.gain,
        then={stem: SecondResult(**second) for stem, second in making.then.items()},
        skipped=True,
        music=Music.from_values(making.music),
    )
