"""Write the stems of one song to files in a hidden folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from unbraid.analysis import Music, MusicAnalyser
from unbraid.audio.arrays import Floats
from unbraid.audio.encode import Encoder
from unbraid.audio.formats import STEM, deepest_subtype, song_format
from unbraid.audio.tags.model import Tags
from unbraid.audio.times import TimeRange
from unbraid.errors import SettingError, SongWarning
from unbraid.separation.numbers import sample_rate_hz, whole_number
from unbraid.separation.output import HiddenFolder
from unbraid.separation.pipeline import Pipeline, Task
from unbraid.separation.progress import Reporter
from unbraid.separation.song import STEREO, FileSong, analyse
from unbraid.separation.song_range import cut_task
from unbraid.separation.stems import CLIP_MODES, StemChoice
from unbraid.separation.writers import (
    Analysed,
    DirectWriter,
    Heard,
    LeftOver,
    OpenStem,
    RescalingWriter,
    StemListener,
    StemWriter,
)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How stems are written; see `Separator.separate_to_files`. Raises SettingError."""

    format: str = "wav"
    subtype: str | None = None
    bitrate: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    clip_mode: str | None = None

    def __post_init__(self) -> None:
        if self.clip_mode not in (None, *CLIP_MODES):
            raise SettingError(
                f"There is no clip mode {self.clip_mode!r}. Choose one of {', '.join(CLIP_MODES)}."
            )
        song_format(self.format, self.subtype)
        if self.bitrate is not None:
            object.__setattr__(self, "bitrate", whole_number(self.bitrate, "The bit rate (bit/s)"))
        if self.sample_rate is not None:
            object.__setattr__(self, "sample_rate", sample_rate_hz(self.sample_rate))
        if self.channels not in (None, 1, STEREO):
            raise SettingError(f"Stems have 1 or 2 channels, not {self.channels}.")

    @property
    def lossless(self) -> bool:
        """Whether the files hold the samples that were written to them."""
        return song_format(self.format, self.subtype).bitrates is None

    def depth_for(self, depth: str) -> str:
        """Return the sample type of the stems of a song of `depth`."""
        return self.subtype or ("16" if self.format == STEM else deepest_subtype(self.format, depth))

    def clip_mode_for(self, depth: str) -> str:
        """Return the clip mode for the stems of a song of `depth`."""
        keeps_level = self.subtype is None and self.depth_for(depth) == "float"
        return self.clip_mode or ("none" if keeps_level else "rescale")


@dataclass(frozen=True, slots=True)
class WrittenStems:
    """Files of stems in a hidden folder."""

    files: dict[str, Path]
    """File of each stem, by its name with the prefix."""
    duration_s: float
    sample_rate: int
    """Of the files, Hz."""
    gain: float
    warnings: tuple[SongWarning, ...]
    music: Music


class _Copied:
    """An encoder whose samples also go to a second one. Used like an Encoder."""

    def __init__(self, encoder: Encoder, copy: Encoder) -> None:
        self._encoders = (encoder, copy)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for encoder in self._encoders:
            self._stack.enter_context(encoder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, value, trace)

    def write(self, block: Floats) -> None:
        """See `Encoder.write`."""
        for encoder in self._encoders:
            encoder.write(block)


def write_stems(
    pipeline: Pipeline,
    song: FileSong,
    choice: StemChoice,
    options: FileOptions,
    folder: HiddenFolder,
    reporter: Reporter,
    *,
    prefix: str = "",
    tags: Tags | None = None,
    copies: Mapping[str, Path] | None = None,
    part: TimeRange | None = None,
    listener: StemListener | None = None,
) -> WrittenStems:
    """Separate `song` and write `PREFIX + STEM.FORMAT` into `folder.stems`. Memory doesn't grow with the song's length.

    `tags` replace those of the song. `copies` are further files for some stems: float WAVs with the samples that the
    stem's encoder receives. `part`: only this part of it. `listener` receives the stems of a song, but no parts of a
    stem. Raises InputError, OutputError, SettingError, Cancelled.
    """
    depth = options.depth_for(song.info.depth)
    clip_mode = options.clip_mode_for(song.info.depth)
    task = Task(
        song,
        analyse(song, pipeline.model, reporter),
        choice,
        options.sample_rate or song.sample_rate,
        int(options.channels or song.channels),
        reporter,
        folder.spool("sums.f32"),
    )
    task = cut_task(task, part, pipeline.plan)
    tags = tags or (song.info.tags if part is None else song.info.tags.without_times())
    encoders: dict[str, Encoder] = {}

    def encoder(path: Path, format: str, subtype: str, bitrate: int | None) -> Encoder:
        return Encoder(
            path,
            sample_rate=task.sample_rate,
            channels=task.channels,
            format=format,
            subtype=subtype,
            bitrate=bitrate,
            tags=tags,
            samples=task.samples,
        )

    def open_stem(stem: str) -> Encoder | _Copied:
        path = folder.stems / f"{prefix}{stem}.{options.format}"
        encoders[stem] = encoder(path, options.format, depth, options.bitrate)
        if copies and stem in copies:
            return _Copied(encoders[stem], encoder(copies[stem], "wav", "float", None))
        return encoders[stem]

    music = Music()
    with ExitStack() as stack:
        writer = stem_writer(clip_mode, choice, open_stem, stack, folder.spool("stems.f32"))
        left_over = LeftOver(writer)
        if prefix:  # parts of a stem, which has the tags of its song
            pipeline.separate(task, left_over if choice.left_over else writer)
        else:
            analyser = MusicAnalyser(choice.names, task.sample_rate)
            heard: StemWriter = writer
            if listener is not None:
                listener.begin(choice.names, task.sample_rate, task.channels, task.samples)
                heard = Heard(writer, listener)
            pipeline.separate(task, Analysed(heard, analyser))
            music = analyser.finish()
            for one in encoders.values():
                one.add_tags(music.texts)
    files = {prefix + stem: encoders[stem].path for stem in choice.names}
    if choice.left_over and left_over.is_silent:
        files.pop(prefix + choice.names[-1]).unlink()
    return WrittenStems(
        files=files,
        duration_s=task.seconds,
        sample_rate=encoders[choice.names[0]].sample_rate,
        gain=writer.gain,
        warnings=task.analysis.warnings,
        music=music,
    )


def stem_writer(
    clip_mode: str, choice: StemChoice, open_stem: Callable[[str], OpenStem], stack: ExitStack, spool: Path
) -> DirectWriter | RescalingWriter:
    """Return the writer of a clip mode. Its encoders end with `stack`; `spool` is a temporary file."""
    if clip_mode == "rescale":
        return RescalingWriter(choice.names, open_stem, stack, spool)
    return DirectWriter(choice.names, open_stem, stack, clamp=clip_mode == "clamp")
