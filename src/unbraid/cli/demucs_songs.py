"""Separate the songs of `unbraid demucs`: load one model, name the files, encode the stems."""

from __future__ import annotations

import argparse
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from unbraid.audio.formats import output_format
from unbraid.cli.demucs_models import choose_model
from unbraid.cli.demucs_names import NamedFiles, file_format, name_files
from unbraid.cli.demucs_records import DemucsRecords, RecordUpdate
from unbraid.cli.demucs_stems import Encoding, encode_stems, move_files
from unbraid.cli.messages import say
from unbraid.cli.ordered_display import OrderedDisplay
from unbraid.cli.progress import Display
from unbraid.cli.running import COMMON_RATE_HZ, load_separator
from unbraid.cli.stopping import Stop
from unbraid.errors import Cancelled, OutputError, SettingError, SongWarning, UnbraidError
from unbraid.out_of_memory import report_out_of_memory
from unbraid.separation import Progress, Result, Separator
from unbraid.separation.folders import file_ids, refuse_song
from unbraid.separation.output import HiddenFolder
from unbraid.separation.settings import PUBLISHED
from unbraid.separation.song_record import SongSound

# Share of a song's work that separation takes; the rest is encoding.
SEPARATED = 0.95

# 1 dB, the smallest difference in level that most listeners notice.
NOTICEABLE_GAIN = 10 ** (-1 / 20)

# --other-method -> the Separator's `complement`, and the prefix of the file.
COMPLEMENTS = {"add": ("sum", "no_"), "minus": ("rest", "minus_"), "none": ("none", "")}


def separate_songs(arguments: argparse.Namespace, display: Display, stop: Stop) -> int:
    """Separate all songs and return how many failed.

    Raises SettingError, ModelError and OutputError for problems of all songs, and Cancelled when `stop` is set.
    """
    choice = choose_model(arguments.name if arguments.sig is None else arguments.sig, arguments.repo)
    encoding = _encoding(arguments)
    _check_stem(choice.model, arguments)
    separator = _load(choice.model, arguments, display, stop)
    complement, prefix = COMPLEMENTS[arguments.other_method]
    names = _stem_names(separator, arguments.stem, prefix)
    extension = "mp3" if arguments.mp3 else "flac" if arguments.flac else "wav"
    songs: Sequence[Path] = arguments.tracks
    out: Path = arguments.out / choice.folder
    records = DemucsRecords(out)
    is_free = partial(records.is_free, own_folder="{track}" in str(Path(arguments.filename).parent))
    named = name_files(arguments.filename, songs, tuple(names.values()), extension, is_free)
    if arguments.verbose:
        say(_description(separator, arguments))
    shown = OrderedDisplay(display, len(songs), songs)

    def separated(song: str | os.PathLike[str], progress: Progress) -> None:
        shown.update(song, replace(progress, fraction=SEPARATED * progress.fraction))

    refused = _refused(songs, out, named)
    failures = 0
    # The template may spread the stems over several folders: `move_files` publishes them.
    with HiddenFolder(out) as folder:
        outcomes = separator.separate_files(
            [song for song, error in zip(songs, refused, strict=True) if error is None],
            folder.stems,
            stems=arguments.stem or "all",
            subtype="float",
            clip_mode="none",
            sample_rate=separator.sample_rate,
            channels=2,
            complement=complement,
            progress=separated,
            cancel=stop,
        )
        with closing(outcomes):
            for song, error, one in zip(songs, refused, named, strict=True):
                sound = SongSound(song)
                outcome = error or next(outcomes)[1]
                if isinstance(outcome, Result):
                    places = {stem: out / target for stem, target in zip(names, one.files, strict=True)}
                    update = RecordUpdate(records, records.place(one.common), sound, places.values())
                    with separator.clock.measure() as timer:
                        outcome = _encode(Path(song), outcome, places, encoding, shown, stop, update)
                    if isinstance(outcome, Result):
                        outcome = replace(outcome, seconds=outcome.seconds + timer.seconds)
                    if isinstance(outcome, Result) and one.avoided:
                        warning = _avoided(song, out / one.common, out / one.avoided)
                        outcome = replace(outcome, warnings=(*outcome.warnings, warning))
                if isinstance(outcome, OutputError) and (outcome.path or out).is_relative_to(folder.stems):
                    outcome = outcome.moved_to(out)  # the hidden folder means nothing to the user
                shown.finish(song, outcome)
                failures += isinstance(outcome, UnbraidError) and not isinstance(outcome, Cancelled)
    return failures


def _refused(songs: Sequence[Path], out: Path, named: Sequence[NamedFiles]) -> list[OutputError | None]:
    """Return the error of each song whose files would replace one of the songs, None for the others."""
    ids = file_ids(songs)
    errors: list[OutputError | None] = []
    for one in named:
        try:
            for target in one.files:
                refuse_song(out / target, ids)
            errors.append(None)
        except OutputError as error:
            errors.append(error)
    return errors


def _avoided(song: Path, place: Path, avoided: Path) -> SongWarning:
    """Return the warning that the stems of `song` are in `place`."""
    return SongWarning(song.name, f"has its stems in {place}, because {avoided} has those of another song.")


def _lowered(song: Path, files: Sequence[Path], gains: Sequence[float]) -> list[SongWarning]:
    """Return a warning if stems are quieter than in the song, each by another factor."""
    lowered = [
        f"{file.name} by {-20 * math.log10(gain):.1f} dB"
        for file, gain in zip(files, gains, strict=True)
        if gain < NOTICEABLE_GAIN
    ]
    reason = f"has stems that were lowered to prevent clipping: {', '.join(lowered)}."
    return [SongWarning(song.name, reason)] if lowered else []


def _encoding(arguments: argparse.Namespace) -> Encoding:
    subtype = "24" if arguments.int24 else "float" if arguments.float32 else "16"
    encoding = Encoding(subtype, 1000 * arguments.mp3_bitrate, arguments.clip_mode)
    if arguments.mp3:
        output_format("mp3", "16").bitrate_for(encoding.bitrate, COMMON_RATE_HZ)
    return encoding


def _load(model: str, arguments: argparse.Namespace, display: Display, stop: Stop) -> Separator:
    return load_separator(
        model,
        display,
        stop,
        repo=arguments.repo,
        device=arguments.device,
        overlap=arguments.overlap,
        segment_s=PUBLISHED if arguments.segment is None else arguments.segment,
        shifts=arguments.shifts,
        jobs=arguments.jobs if arguments.jobs > 0 else None,
    )


def _check_stem(model: str, arguments: argparse.Namespace) -> None:
    """Check the stem before a download, if the catalogue knows those of the model. Raises SettingError."""
    from unbraid.models.expected import possible_sources

    known = possible_sources(model, arguments.stem, arguments.repo)
    if arguments.stem is not None and known and not any(arguments.stem in sources for sources in known):
        raise _unknown_stem(arguments.stem, known[0])


def _unknown_stem(stem: str, sources: Sequence[str]) -> SettingError:
    return SettingError(f"--two-stems {stem}: the model has no such stem. It has {', '.join(sources)}.")


def _stem_names(separator: Separator, stem: str | None, prefix: str) -> Mapping[str, str]:
    """Map the Separator's name of each stem to its name in the file name."""
    sources = separator.sources
    if stem is None:
        return {source: source for source in sources}
    if stem not in sources:
        raise _unknown_stem(stem, sources)
    names = {stem: stem}
    if prefix:
        names[f"no_{stem}"] = prefix + stem
    return names


def _description(separator: Separator, arguments: argparse.Namespace) -> str:
    model = separator.model
    segment = model.segment_s if arguments.segment is None else arguments.segment
    return (
        f"{model.name} {model.version} in {model.folder}: segments of {segment:g} s, overlap {arguments.overlap:g},"
        f" shifts {arguments.shifts}"
    )


def _encode(
    song: Path,
    separated: Result,
    targets: Mapping[str, Path],
    encoding: Encoding,
    shown: OrderedDisplay,
    stop: Stop,
    record: RecordUpdate,
) -> Result | UnbraidError:
    """Encode the float WAV files of `separated` into `targets` (stem -> file), and remove their folder.

    On an error or when `stop` is set, no target is written.
    """
    total = separated.duration_s
    work = next(iter(separated.files.values())).parent

    def check() -> None:
        if stop.is_set():
            raise Cancelled

    def report(samples: int) -> None:
        check()
        done = min(samples / separated.sample_rate, total)
        fraction = SEPARATED + (1 - SEPARATED) * done / total
        shown.update(song, Progress(fraction, done, total, "writing"))

    files = list(targets.values())
    encoded = [work / f"{number}.{file_format(file)}" for number, file in enumerate(files)]
    try:
        with report_out_of_memory():
            gains = encode_stems([separated.files[stem] for stem in targets], encoded, song, encoding, report)
            check()
            move_files(encoded, files, record)
    except UnbraidError as error:
        return error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    folder = os.path.commonpath([file.parent for file in files])
    return replace(
        separated,
        warnings=(*separated.warnings, *_lowered(song, files, gains)),
        files={os.path.relpath(file, folder): file for file in files},
    )
