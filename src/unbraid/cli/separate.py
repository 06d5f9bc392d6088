"""`unbraid separate`: write the stems of songs into folders. If a song fails, the others are still done."""

from __future__ import annotations

import argparse
import math
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unbraid.audio.formats import SONG_FORMATS, STEM
from unbraid.audio.stem_names import ALL, VOCALS
from unbraid.audio.stem_words import check_accompaniment
from unbraid.cli.cluster import add_cluster_options, check_cluster_options, run_on_cluster
from unbraid.cli.djs import check_additions, check_format, check_model, stems_for
from unbraid.cli.ensembles import add_ensemble_options, weights_by_stem
from unbraid.cli.events import Events
from unbraid.cli.expected_time import line_before
from unbraid.cli.help_screen import add_help_options
from unbraid.cli.library import add_library_options, check_name, count_songs, library_options
from unbraid.cli.messages import say
from unbraid.cli.ordered_display import OrderedDisplay
from unbraid.cli.outcomes import Outcomes
from unbraid.cli.progress import Display
from unbraid.cli.running import load_separator, run_cancellable
from unbraid.cli.second_passes import add_option as add_second_passes
from unbraid.cli.second_passes import check_passes, load_second_models
from unbraid.cli.song_part import add_part_options, part_of
from unbraid.cli.stems import add_stems_option, stems_of
from unbraid.cli.stopping import Stop
from unbraid.errors import Cancelled, SettingError

if TYPE_CHECKING:
    from unbraid.separation import Separator
    from unbraid.separation.file_choices import Then
    from unbraid.separation.find_songs import FoundSongs


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "separate",
        help="separate songs and write their stems",
        usage="%(prog)s PATH [PATH ...] [-o OUT] [-m MODEL] [options]",
        description="Write OUT/SONG/vocals.wav and OUT/SONG/no_vocals.wav for each song. Exit codes: 0 all songs are "
        "done; 1 a song failed; 2 wrong usage.",
        allow_abbrev=False,
        add_help=False,
    )
    common = parser.add_argument_group("common options")
    _add_common_options(common)
    add_help_options(parser, common)
    _add_output_options(parser.add_argument_group("output"))
    add_library_options(parser.add_argument_group("libraries"))
    _add_separation_options(parser.add_argument_group("separation"))
    models = parser.add_argument_group(
        "models",
        description="MODEL may also be a name in --repo; the path of a model folder, an MDX-Net or a checkpoint; or "
        "MODEL+MODEL, which combines several.",
    )
    _add_model_options(models)
    add_second_passes(models)
    add_ensemble_options(models)
    add_cluster_options(parser.add_argument_group("clusters"))
    messages = parser.add_argument_group("messages")
    messages.add_argument("-q", "--quiet", action="store_true", help="print only errors and warnings")
    messages.add_argument("--json", action="store_true", help="print a JSON object for each song")
    messages.add_argument(
        "--events",
        action="store_true",
        help="print all events as JSON objects, such as the progress of songs",
    )
    parser.set_defaults(run=run)


def _add_common_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "songs",
        nargs="+",
        metavar="PATH",
        help="audio or video file, or a folder with such files",
    )
    group.add_argument(
        "-o",
        "--out",
        type=_folder_or_url,
        default=Path("separated"),
        metavar="OUT",
        help="output folder (default: %(default)s)",
    )
    group.add_argument(
        "-m",
        "--model",
        default="auto",
        metavar="MODEL",
        help="what you want, such as karaoke, or a model: see `unbraid models` (default: %(default)s)",
    )
    add_stems_option(group)
    group.add_argument(
        "--format",
        choices=SONG_FORMATS,
        default="wav",
        help="stem is one file for DJ software (default: %(default)s)",
    )
    add_part_options(group)


def _add_model_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--unverified",
        action="store_true",
        help="also download a model whose files have no published checksum, so that nothing proves whose they are",
    )
    group.add_argument(
        "--repo",
        type=Path,
        metavar="DIR",
        help="folder of published weights (.th, .ckpt, .safetensors or .onnx, and .yaml) to load the model from",
    )


def _add_output_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--video",
        action="store_true",
        help="also write the video with the accompaniment as its audio (no_vocals.mp4); the picture is copied",
    )
    depth = group.add_mutually_exclusive_group()
    for option, subtype, samples in (
        ("--int16", "16", "16-bit samples"),
        ("--int24", "24", "24-bit samples (WAV and FLAC)"),
        ("--float32", "float", "32-bit float samples (WAV)"),
    ):
        depth.add_argument(
            option,
            dest="subtype",
            action="store_const",
            const=subtype,
            help=f"{samples}; by default, samples as deep as the song's",
        )
    group.add_argument(
        "--bitrate",
        type=_kilobits,
        metavar="KBIT/S",
        help="bit rate of MP3 (default 320), M4A (256) or Opus (192)",
    )
    group.add_argument(
        "--clip-mode",
        choices=("rescale", "clamp", "none"),
        help="what to do with stems louder than full scale: lower all stems of the song equally (rescale), clip the "
        "peaks (clamp) or do nothing (none) (default: rescale; none if a float song gives float WAV)",
    )


def _add_separation_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--quality",
        default="balanced",
        metavar="fast|balanced|best",
        help="with -m auto or a word such as karaoke: which kind of model; with a model: preset for --overlap and "
        "--shifts (default: %(default)s)",
    )
    group.add_argument(
        "--overlap",
        type=float,
        metavar="SHARE",
        help="overlap of neighbouring segments, as a fraction of a segment, 0 to below 1 (default: the model's)",
    )
    group.add_argument(
        "--segment", type=float, metavar="SECONDS", help="segment length (default: the model's)"
    )
    group.add_argument(
        "--chunks",
        choices=("audio-separator",),
        help="cut and weight segments as audio-separator does, for stems that equal its own (MDX-Net and MDX23C)",
    )
    group.add_argument(
        "--shifts",
        type=int,
        metavar="N",
        help="average N runs, each shifted by up to 0.5 s, in N times the time (default: no shifts)",
    )
    group.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="random seed of the shifts (default: %(default)s)",
    )
    group.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="segments computed at the same time (default: 2; 8 on a graphics card)",
    )
    group.add_argument(
        "--device",
        default="auto",
        metavar="auto|cpu|cuda|mps",
        help="cpu, or a graphics card: cuda, cuda:1 for the second card, or mps for Apple (default: %(default)s)",
    )
    group.add_argument(
        "--audio-stream",
        type=int,
        metavar="N",
        help="audio stream of the file, counted from 0 (default: the one marked default)",
    )


def _kilobits(text: str) -> int:
    """Convert "192" or "192k" to bit/s."""
    number = float(text.removesuffix("k"))
    if not math.isfinite(number):
        raise ValueError
    return round(number * 1000)


def _folder_or_url(text: str) -> Path | str:
    """Keep a URL as it is: a path would lose a slash."""
    return text if "://" in text else Path(text)


_kilobits.__name__ = "number of kbit/s"  # argparse: "invalid number of kbit/s value: 'x'"


def run(arguments: argparse.Namespace) -> int:
    """Separate every song and return the exit code."""
    check_cluster_options(arguments)
    if arguments.on is not None:
        part_of(arguments)
        return run_on_cluster(arguments, _check(arguments))

    def work(display: Display, stop: Stop) -> int:
        from unbraid.separation.find_songs import find_songs

        part_of(arguments)
        songs = find_songs(arguments.songs, arguments.out)
        count, first = count_songs(songs)
        clashes = check_name(arguments.name, songs, count)
        if clashes:
            say(clashes)
        separator, then = _load(arguments, display, stop)
        models = [(arguments.model, separator), *((name, then[stem]) for stem, name in arguments.then)]
        line = line_before(
            models, first if count == len(first) else [], arguments.stems, arguments.repo, part_of(arguments)
        )
        if line and not arguments.quiet:
            display.clear()
            say(line)
        outcomes = Outcomes(
            OrderedDisplay(display, count),
            Events(per_song=arguments.json, all_events=arguments.events),
            is_only=count == 1 and songs.named == arguments.songs,
            quiet=arguments.quiet,
        )
        songs.listener = outcomes.add
        try:
            _separate_all(arguments, separator, then, songs, outcomes, stop)
        except Cancelled:
            outcomes.cancel()
            raise
        return outcomes.end(songs.problems)

    return run_cancellable(work, quiet=arguments.quiet)


def _check(arguments: argparse.Namespace) -> str:
    """Check the options that apply to all songs; return the stems that they ask for.

    Raises SettingError, ModelError.
    """
    check_format(arguments.format, arguments.subtype, arguments.bitrate)
    arguments.stems = stems_for(arguments.format, arguments.stems)
    if arguments.format == STEM:
        check_additions(arguments.then, arguments.video)
        check_model(arguments.model, arguments.quality, arguments.repo)
    for_stems = stems_of(arguments, (VOCALS,))
    _check_stems(arguments, for_stems)
    return for_stems


def _load(
    arguments: argparse.Namespace, display: Display, stop: Stop
) -> tuple[Separator, dict[str, Separator]]:
    """Load the models. Raises SettingError, ModelError."""
    from unbraid.separation.stems import choose_stems

    for_stems = _check(arguments)
    load = partial(
        load_separator,
        display=display,
        stop=stop,
        quiet=arguments.quiet,
        repo=arguments.repo,
        unverified=arguments.unverified,
        device=arguments.device,
        quality=arguments.quality,
        overlap=arguments.overlap,
        shifts=arguments.shifts,
        seed=arguments.seed,
        jobs=arguments.jobs,
    )
    separator = load(
        arguments.model,
        combine=arguments.combine,
        weights=weights_by_stem(arguments.weights),
        for_stems=for_stems,
        segment_s=arguments.segment,
        chunks=arguments.chunks,
    )
    arguments.stems = stems_of(arguments, separator.sources)
    written = choose_stems(arguments.stems, separator.sources).names
    return separator, load_second_models(arguments.then, separator, written, partial(load, sharing=separator))


def _check_stems(arguments: argparse.Namespace, for_stems: str) -> None:
    """Check the stems to write and to split, before a download, if the catalogue knows those of the model.

    `auto` and the like stand for several models; one of them has to have the stems. Raises SettingError, ModelError.
    """
    from unbraid.models.expected import possible_sources
    from unbraid.models.find import at_quality_in
    from unbraid.separation.stems import choose_stems

    model, _ = at_quality_in(arguments.model, arguments.quality, arguments.repo)
    problem: SettingError | None = None
    for sources in possible_sources(model, for_stems, arguments.repo):
        stems = arguments.stems or (for_stems if for_stems in sources else ALL)
        try:
            names = choose_stems(stems, sources).names
            check_passes(arguments.then, names, sources)
            if arguments.video:
                check_accompaniment(stems, names)
        except SettingError as error:
            problem = problem or error
        else:
            return
    if problem is not None:
        raise problem


def _separate_all(
    arguments: argparse.Namespace,
    separator: Separator,
    then: Then,
    songs: FoundSongs,
    outcomes: Outcomes,
    stop: Stop,
) -> None:
    """Separate the songs, and report them to `outcomes`. Raises Cancelled when `stop` is set."""
    results = separator.separate_files(
        songs,
        arguments.out,
        stems=arguments.stems,
        start=arguments.start,
        end=arguments.end,
        format=arguments.format,
        subtype=arguments.subtype,
        bitrate=arguments.bitrate,
        clip_mode=arguments.clip_mode,
        audio_stream=arguments.audio_stream,
        video=arguments.video,
        then=then,
        **library_options(arguments),
        progress=outcomes.progress,
        cancel=stop,
    )
    with closing(results):
        for song, outcome in results:
            outcomes.finish(song, outcome)
