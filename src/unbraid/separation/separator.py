"""The public API: load a model once, then separate any number of songs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from os import PathLike, fspath
from pathlib import Path
from threading import Lock
from typing import Any, Unpack

from unbraid.audio.formats import STEM
from unbraid.audio.stem_names import ALL
from unbraid.audio.stem_words import check_accompaniment, joined
from unbraid.audio.times import Time, TimeRange, time_range
from unbraid.audio.video import accompaniment_name, check_video
from unbraid.errors import SettingError, UnbraidError
from unbraid.files.workfolder import clear_abandoned
from unbraid.models import Model, find_model
from unbraid.models.ensemble import Weights, adjusted
from unbraid.models.expected import check_together
from unbraid.models.find import at_quality_in, models_in, repo_of
from unbraid.models.questions import BALANCED
from unbraid.separation.array_song import Samples
from unbraid.separation.batch import separate_songs
from unbraid.separation.file_choices import FileChoices, FileContents, FileFormat, Then
from unbraid.separation.file_plan import plan_files
from unbraid.separation.file_request import FileRequest
from unbraid.separation.find_songs import FoundSong, FoundSongs
from unbraid.separation.folders import REPLACE, SKIP, Existing, OutputFolders, SongFolder, StrPath
from unbraid.separation.name_template import NameTemplate
from unbraid.separation.network import Network, NetworkCache
from unbraid.separation.numbers import whole_number
from unbraid.separation.pipeline import Pipeline
from unbraid.separation.progress import CancelToken, Progress, ProgressCallback, Reporter
from unbraid.separation.recipe import Recipe
from unbraid.separation.result import Result
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.second_passes import (
    JOINT,
    SecondPass,
    check_sources,
    check_stem,
    second_pass,
    split_reporters,
)
from unbraid.separation.settings import SegmentLength, Settings, relative_work
from unbraid.separation.song import FileSong
from unbraid.separation.song_arrays import add_parts, open_song, separate_song, stream_song
from unbraid.separation.song_files import FileOptions
from unbraid.separation.stem_files import check_stem_file_options
from unbraid.separation.stems import Stems, choose_parts, choose_stem_file, choose_stems
from unbraid.separation.work_clock import WorkClock
from unbraid.separation.write_song import skipped, write_song
from unbraid.separation.writers import StemListener


class Separator:
    """A loaded model that separates songs into stems. Thread-safe; one song computes at a time.

    Args:
        model: a name of the catalogue, `auto`, `fast` or `best`, the word of a question such as `karaoke` (see
            `unbraid models`), or the path of a model folder, an MDX-Net (.onnx) or a checkpoint. `a+b` is an ensemble
            of two such models; there may be more.
        combine: how an ensemble combines its models: `mean`, or in the spectrum `median`, `max` or `min`; None: as
            the preset says, or `mean`.
        weights: of an ensemble: one number for each model, or a mapping from stems to such lists.
        device: `cpu`, `cuda`, `cuda:1` (the second card), `mps`, or `auto` (a graphics card if one is usable).
        overlap: share of a segment that the next one reads again, from 0 to below 1.
        segment_s: length of a segment in seconds; `published`: as its authors set it; None: that, but at most 16 s for
            `hdemucs_mmi`, `mdx_extra` and other HDemucs networks, whose published 44 s take 2.4 GB of memory.
        chunks: `audio-separator`: cut and weight segments of an MDX-Net or MDX23C as that program does; None: with
            Unbraid's windows. Not for second models.
        shifts: number of random shifts of up to half a second to average over; 0: none.
        seed: seed of the random shifts.
        threads: number of CPU threads.
        jobs: segments computed in parallel. None: two; one on a single core or with long segments; eight on a GPU.
        quality: `fast`, `balanced` or `best`. It chooses the model if `model` is `auto` or the word of a question.
            For any other model, it sets `overlap` and `shifts` if they are None.
        for_stems: the stems that songs will be separated into, as for `separate_to_files`; None: any. `auto` chooses a
            model that separates them.
        repo: folder of published weights; `model` is then a name in it. Second models may also be outside of it.
        unverified: also download a model of the catalogue whose files have no published SHA-256.
        sharing: a Separator that shares its memory with this one: together they load one network at a time, and one
            of them computes at a time. For second models in `then`.
        notice: called with one line about the choice that `auto` made.
        downloading: called during the download with the bytes so far and the total (0: unknown).

    Raises ModelError, SettingError, and OutOfMemory if the graphics card has too little memory.
    """

    def __init__(
        self,
        model: str | PathLike[str] = "auto",
        *,
        combine: str | None = None,
        weights: Weights | None = None,
        device: str = "auto",
        overlap: float | None = None,
        segment_s: SegmentLength = None,
        chunks: str | None = None,
        shifts: int | None = None,
        seed: int = 0,
        threads: int | None = None,
        jobs: int | None = None,
        quality: str = BALANCED,
        for_stems: str | Sequence[str] | None = None,
        repo: str | PathLike[str] | None = None,
        unverified: bool = False,
        sharing: Separator | None = None,
        notice: Callable[[str], object] | None = None,
        downloading: Callable[[int, int], object] | None = None,
    ) -> None:
        name, given_quality = model if isinstance(model, str) else Path(fspath(model)), quality
        folder = None if repo is None else Path(fspath(repo))
        if isinstance(name, str):
            if sharing is not None and len(models_in(name, folder)) == 1:
                folder = repo_of(name, folder)  # a second model may also be outside of it
            name, quality = at_quality_in(name, quality, folder)
            check_together(name, combine, weights, folder)  # before a download
        settings = Settings(overlap, segment_s, shifts, seed, threads, jobs, quality, chunks)
        found = find_model(
            name,
            stems=None if for_stems is None else joined(for_stems),
            repo=folder,
            unverified=unverified,
            progress=downloading,
            notice=notice,
        )
        self.model: Model = adjusted(found, combine, weights)
        plan = settings.plan(self.model)
        lengths = {part.model: part.length for part in plan.all_parts}
        loader = RuntimeLoader(self.model, device, threads=threads, jobs=jobs, notice=notice)

        def load(model: Model) -> Network:
            return Network(model, lengths[model], loader.load)

        if sharing is None:
            networks = NetworkCache(load)
            self._pipeline = Pipeline(plan, networks)
            if self.model.networks == (self.model,):
                networks.get(self.model)
        else:
            shared = sharing._pipeline
            networks = NetworkCache(load, shared.networks.slot)
            self._pipeline = Pipeline(plan, networks, shared.compute_lock)
        self._loader = loader
        self.work = relative_work(plan.all_parts)
        """Work for a song, relative to the model's own overlap without shifts."""
        # Of second models that are named. Segment length and chunks are those of this model.
        self._settings: dict[str, Any] = {
            "device": device,
            "overlap": overlap,
            "shifts": shifts,
            "seed": seed,
            "threads": threads,
            "jobs": jobs,
            "quality": given_quality,
            "repo": repo,
            "unverified": unverified,
            "notice": notice,
            "downloading": downloading,
        }
        self._second: dict[str, Separator] = {}
        self._second_lock = Lock()

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the stems that the model separates."""
        return self.model.sources

    @property
    def sample_rate(self) -> int:
        """Sample rate of the model in Hz. Songs with other rates are resampled, and their stems resampled back."""
        return self.model.sample_rate

    @property
    def device(self) -> str:
        """Where the networks are computed: `cpu`, or a graphics card."""
        return self._loader.device

    @property
    def clock(self) -> WorkClock:
        """Measures the work on songs."""
        return self._pipeline.compute_lock.clock

    def separate(
        self,
        song: str | PathLike[str] | Samples,
        sample_rate: int | None = None,
        *,
        stems: str | Sequence[str] | None = None,
        then: Then | None = None,
        start: Time | None = None,
        end: Time | None = None,
        audio_stream: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Stems:
        """Separate a file, or an array (1 or 2 channels, samples) at `sample_rate` (None: the model's).

        The array may be of NumPy, in any layout, or of a library that has NumPy's array protocol or DLPack, such as
        PyTorch. Floats have full scale 1, and integers that of their type.

        The stems have the sample rate, the channels and exactly the length of the song. They may exceed full scale.
        `stems`, `start`, `end` and `then` are as for `separate_to_files`; None: all stems of the whole song.
        `audio_stream` is the number of the file's audio stream, from 0 (None: the default one).
        Raises InputError, SettingError, Cancelled.
        """
        choice = choose_stems(ALL if stems is None else stems, self.sources)
        part = _part(start, end, then)
        source = open_song(song, sample_rate, self.sample_rate, audio_stream)
        passes = self._second_passes(then, choice.names)
        first, *others = split_reporters(self.model, passes, len(choice.sources) == 1, progress, cancel)
        return add_parts(separate_song(self._pipeline, source, choice, first, part), passes, others)

    def stream(
        self,
        song: str | PathLike[str] | Samples,
        sample_rate: int | None = None,
        *,
        stems: str | Sequence[str] | None = None,
        then: Then | None = None,
        start: Time | None = None,
        end: Time | None = None,
        audio_stream: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Generator[tuple[int, Stems]]:
        """Yield pieces `(start, stems)` of the stems as they become final, in constant memory.

        `start` is the first sample of a piece in the stems. The pieces follow one another, and concatenated they equal
        the stems of `separate`, bit for bit. The arguments are those of `separate`; `then` is a SettingError, because
        second models read a whole stem before they begin. Between two pieces, the caller may separate other songs with
        this Separator. Closing the generator early, or leaving its loop, stops the work.

        The whole song is read once before the first piece. Ensembles and bags of networks yield pieces while the last
        network runs, and keep the estimates of the others in a temporary folder.

        Raises InputError and SettingError, when it is called or while it yields; OutputError if the temporary folder
        is full; Cancelled.
        """
        if then:
            raise SettingError(
                "Second models (then) read a whole stem before they begin, so their parts can't be streamed."
                " Use separate, or stream the stem with a Separator of the second model."
            )
        choice = choose_stems(ALL if stems is None else stems, self.sources)
        part = time_range(start, end)
        source = open_song(song, sample_rate, self.sample_rate, audio_stream)
        return stream_song(self._pipeline, source, choice, Reporter(progress, cancel), part)

    def separate_to_files(
        self,
        song: str | PathLike[str],
        out_dir: str | PathLike[str],
        *,
        stems: str | Sequence[str] = "vocals",
        complement: str = "rest",
        format: str = "wav",
        subtype: str | None = None,
        bitrate: int | None = None,
        sample_rate: int | None = None,
        channels: int | None = None,
        clip_mode: str | None = None,
        name: str | None = None,
        template: str | NameTemplate | None = None,
        subfolder: str | PathLike[str] | None = None,
        start: Time | None = None,
        end: Time | None = None,
        audio_stream: int | None = None,
        video: bool = False,
        parts_of: str | None = None,
        then: Then | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
        existing: Existing = REPLACE,
        folders: OutputFolders | None = None,
        listener: StemListener | None = None,
    ) -> Result:
        """Separate a song and write `out_dir/NAME/STEM.FORMAT`. Memory does not grow with the song's length.

        All files appear together at the end. After an error or a cancellation, there are none. A folder belongs to one
        song: separating that song again replaces its files, and another song gets `NAME (2)`, with a warning. The file
        `.unbraid.json` in the folder identifies the song. A file that would replace the song itself is an OutputError.

        Args:
            stems: the name of one stem, which is written with its complement, or `all`. Or a list of exactly the stems
                to write, with commas or as a sequence: names, `no_STEM` (the song without it), sums such as
                `drums+bass`, `mix` (the song itself) and `rest` (the song without the other stems). Only the networks
                that are needed run. Stems that cover the song add up to it if one is a sum, a `no_STEM` or `rest`.
            complement: content of `no_STEM`, for the name of one stem: the `rest` of the song, the `sum` of the model's
                other stems, or `none` to leave it out.
            format: wav, flac, mp3, m4a or opus; or `stem`: one file `NAME/NAME.stem.mp4` for DJ programs, with the
                song, its drums, bass, other and vocals. It is `files["stem"]` of the result.
            subtype: `16`, `24` (WAV, FLAC) or `float` (WAV); None: as deep as the song, or as the format allows. In a
                stem file, `16` and `24` are ALAC, and None is AAC.
            bitrate: bit rate in bit/s, for MP3, M4A and Opus.
            sample_rate: sample rate of the files in Hz; None: as in the song.
            channels: channels of the files, 1 or 2; None: as in the song.
            clip_mode: treatment of stems beyond full scale: `rescale` (one gain for all stems, so that they still add
                up), `clamp`, or `none` (the format clips them; float WAV keeps them). None: `none` if the song gives
                the stems float samples, or else `rescale`.
            start, end: separate only this part of the song: seconds, or text such as `1:05`; negative: from the end of
                the song. The part equals the same part of the whole song's stems to rounding. Leave out `then` and
                `video`. The folder is `NAME (1m05s to 1m35s)`, unless `name` is given.
            name: name of the song's folder, without a path; None: the file's name without its suffix.
            template: names of the files instead, such as `{artist} - {title}/{stem}`; see docs/cli.md.
            subfolder: folder below `out_dir` for the song's folder, a relative path; {folder} in a template.
            audio_stream: number of the file's audio stream, from 0; None: the one marked default, or else the first.
            parts_of: name of the stem that the song is. It is separated into the same files as by `then` in the song's
                separation: all stems, named `STEM.PART`. Leave out `stems`, `complement`, `video` and `then`.
            then: second models, by the stem that each separates further: names, or Separators that share memory with
                this one (`sharing`). The parts are `files["STEM.PART"]`, and add up to their stem. If the model leaves
                over sound, that is the part `rest`. The parts equal those of a separation of the stem's file, before
                lossy coding, with the same options.
            video: also write the song's video with the accompaniment as its sound, as `files["video"]` of the result.
            existing: what to do with a song that has files in `out_dir` already. `replace`: replace all of them.
                `skip`: return them as a Result with `skipped`, if the same model and options made them; otherwise
                replace them. `rename`: keep them, and use the next free `NAME (2)`.
            folders: the folders of songs that are separated together; see `separate_files`.
            listener: receives the stems as they become final, before the gain of `rescale`: the same samples as
                `stream` yields. Nothing of a stem file, of `parts_of` or of second models.

        Raises InputError, OutputError, SettingError, Cancelled.
        """
        request = self._request(
            stems=stems,
            complement=complement,
            format=format,
            subtype=subtype,
            bitrate=bitrate,
            sample_rate=sample_rate,
            channels=channels,
            clip_mode=clip_mode,
            start=start,
            end=end,
            audio_stream=audio_stream,
            video=video,
            parts_of=parts_of,
            then=then,
        )
        plan = plan_files(
            song,
            request.names,
            format,
            model=self.model.name,
            name=name,
            template=template,
            subfolder=subfolder,
            part=request.part,
            audio_stream=request.audio_stream,
        )
        folders = folders or OutputFolders(Path(out_dir), [song])
        destination = SongFolder(folders, Path(song), plan.naming, plan.files, self.sources, existing)
        if existing == SKIP and (making := destination.find_done(request.recipe(self._pipeline))):
            return skipped(making, destination)
        if video:
            check_accompaniment(stems, request.choice.names)
            video_file = f"{accompaniment_name(request.choice.names)}.{check_video(song)}"
            destination.files = (*plan.files, video_file)
        is_alone = len(request.choice.sources) == 1
        reporters = split_reporters(self.model, request.passes, is_alone, progress, cancel)
        source = FileSong(song, request.audio_stream)
        return write_song(self._pipeline, source, request, destination, list(reporters), listener)

    def recipe(self, **contents: Unpack[FileContents]) -> Recipe:
        """Return the recipe of the files that `separate_to_files` makes with these options, whatever the song.

        Files of equal recipes and equal songs are equal. Raises SettingError, ModelError.
        """
        return self._request(**contents).recipe(self._pipeline)

    def _request(
        self,
        *,
        stems: str | Sequence[str] = "vocals",
        complement: str = "rest",
        start: Time | None = None,
        end: Time | None = None,
        audio_stream: int | None = None,
        video: bool = False,
        parts_of: str | None = None,
        then: Then | None = None,
        **file_format: Unpack[FileFormat],
    ) -> FileRequest:
        """Check the options of `separate_to_files`. Raises SettingError and ModelError."""
        part = _part(start, end, then, video)
        options = FileOptions(**file_format)
        prefix = ""
        if options.format == STEM:
            check_stem_file_options(options, joined(stems), parts_of is not None or bool(then), video)
            choice = choose_stem_file(self.model.name, self.sources)
        else:
            choice = choose_stems(stems, self.sources, complement)
        if parts_of is not None:
            check_sources(parts_of, self.model)
            prefix, choice = parts_of + JOINT, choose_parts(self.sources, self.model.rest)
        passes = self._second_passes(then, choice.names)
        if audio_stream is not None:
            audio_stream = whole_number(audio_stream, "The audio stream")
        return FileRequest(choice, options, complement, prefix, part, audio_stream, video, passes)

    def _second_passes(self, then: Then | None, stems: Sequence[str]) -> list[SecondPass]:
        """Plan the passes over `stems`, which are written. Raises SettingError and ModelError."""
        for stem in then or ():
            check_stem(stem, stems, self.sources)
        return [
            second_pass(
                stem, (second if isinstance(second, Separator) else self._second_model(second))._pipeline
            )
            for stem, second in (then or {}).items()
        ]

    def _second_model(self, name: str | PathLike[str]) -> Separator:
        """Load a second model, once."""
        with self._second_lock:
            if (key := fspath(name)) not in self._second:
                self._second[key] = Separator(name, sharing=self, **self._settings)
            return self._second[key]

    def separate_files(
        self,
        songs: Iterable[StrPath],
        out_dir: str | PathLike[str],
        *,
        progress: Callable[[StrPath, Progress], object] | None = None,
        cancel: CancelToken | None = None,
        **options: Unpack[FileChoices],
    ) -> Generator[tuple[StrPath, Result | UnbraidError]]:
        """Separate many songs into files. Yields each song, in order, with its result or its error.

        While the stems of one song are encoded, the next song is read and computed. One network computes at a time, so
        two songs need the memory of one. A second song of the same name gets the folder `NAME (2)`. A stem that would
        replace one of the songs is an OutputError. `options` are the other options of `separate_to_files`. A song that
        runs out of memory yields an UnbraidError.

        `songs` may be the result of `find_songs`, which searches folders while songs are separated. `out_dir` then gets
        the same folders. A file that isn't audio yields the error NotAudio.

        `progress` receives the song and its Progress, in worker threads: reports of two songs may alternate.

        When `cancel` is set, each unfinished song that has started is yielded with Cancelled, and then Cancelled is
        raised. Closing the generator early cancels these songs too.
        """
        clear_abandoned(Path(out_dir))  # of a process that was killed
        if not isinstance(songs, FoundSongs):
            songs = list(songs)
        folders = OutputFolders(Path(out_dir), songs.named if isinstance(songs, FoundSongs) else songs)

        def separate(song: StrPath, progress: ProgressCallback, cancel: CancelToken) -> Result:
            return self.separate_to_files(
                song,
                out_dir,
                subfolder=song.folder if isinstance(song, FoundSong) else None,
                folders=folders,
                progress=progress,
                cancel=cancel,
                **options,
            )

        yield from separate_songs(separate, songs, progress, cancel)


def _part(start: Time | None, end: Time | None, *whole: object) -> TimeRange | None:
    """Return the part of the song. Raises SettingError if options need the `whole` song."""
    part = time_range(start, end)
    if part is not None and any(whole):
        raise SettingError("A second model and a video need the whole song. Leave out the start and the end.")
    return part
