"""The work of `unbraid demucs`: one model, one song after the other; a song that fails doesn't keep the others."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Lock

from unbraid.audio.formats import output_format
from unbraid.cli.demucs_models import choose_model
from unbraid.cli.demucs_names import file_format, name_files
from unbraid.cli.demucs_stems import Sound, encode_stems, move_files
from unbraid.cli.messages import say
from unbraid.cli.progress import Display
from unbraid.cli.songs import ORDINARY_RATE, Written, load_separator, separate_each
from unbraid.cli.stopping import Stop
from unbraid.errors import Cancelled, SettingError
from unbraid.separation import Progress, Separator
from unbraid.separation.output import StemFolder

# Share of the work after which the stems, separated, are encoded.
SEPARATED = 0.95

# --other-method -> what the Separator calls it, and the prefix of the file.
COMPLEMENTS = {"add": ("sum", "no_"), "minus": ("rest", "minus_"), "none": ("none", "")}


class Songs:
    """The songs that the `arguments` name, and the model to separate them with, until `stop` is set.

    What is wrong with all songs alike is found here. Raises SettingError, ModelError, Cancelled.
    """

    def __init__(self, arguments: argparse.Namespace, display: Display, stop: Stop) -> None:
        self._display, self._stop = display, stop
        self._moving = Lock()  # as two songs may have folders in common, which one that fails removes again
        name = arguments.name if arguments.sig is None else arguments.sig
        choice = choose_model(name, arguments.repo)
        subtype = "24" if arguments.int24 else "float" if arguments.float32 else "16"
        self._sound = Sound(subtype, 1000 * arguments.mp3_bitrate, arguments.clip_mode)
        if arguments.mp3:
            output_format("mp3", "16").bitrate_for(self._sound.bitrate, ORDINARY_RATE)
        self._separator = self._load(choice.model, arguments)
        self._songs: Sequence[Path] = arguments.tracks
        self._out: Path = arguments.out / choice.folder
        self._stem: str | None = arguments.stem
        self._complement, prefix = COMPLEMENTS[arguments.other_method]
        self._names = self._stems(prefix)
        extension = "mp3" if arguments.mp3 else "flac" if arguments.flac else "wav"
        self._files = name_files(arguments.filename, self._songs, tuple(self._names.values()), extension)
        if arguments.verbose:
            say(self._description(arguments))

    def _load(self, model: str, arguments: argparse.Namespace) -> Separator:
        """The Separator, which downloads its model where it has to."""
        return load_separator(
            model,
            self._display,
            self._stop,
            repo=arguments.repo,
            device=arguments.device,
            overlap=arguments.overlap,
            segment_s=arguments.segment,
            shifts=arguments.shifts,
            jobs=arguments.jobs if arguments.jobs > 0 else None,
        )

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled

    def _stems(self, prefix: str) -> Mapping[str, str]:
        """The Separator's name of each stem -> the name it has in its file's."""
        sources = self._separator.sources
        if self._stem is None:
            return {source: source for source in sources}
        if self._stem not in sources:
            raise SettingError(
                f"--two-stems {self._stem}: the model has no such stem. It has {', '.join(sources)}."
            )
        names = {self._stem: self._stem}
        if prefix:
            names[f"no_{self._stem}"] = prefix + self._stem
        return names

    def _description(self, arguments: argparse.Namespace) -> str:
        model = self._separator.model
        segment = model.segment_s if arguments.segment is None else arguments.segment
        return (
            f"{model.name} {model.version} in {model.folder}: segments of {segment:g} s, overlap {arguments.overlap:g},"
            f" shifts {arguments.shifts}"
        )

    def separate(self) -> int:
        """Separate all; how many failed."""
        work = [
            (str(song), partial(self._separate, song, [self._out / file for file in files]))
            for song, files in zip(self._songs, self._files, strict=True)
        ]
        outcomes = [outcome for _, outcome in separate_each(work, self._display, self._stop)]
        return sum(not isinstance(outcome, Written | Cancelled) for outcome in outcomes)

    def _separate(self, song: Path, targets: Sequence[Path], update: Callable[[Progress], None]) -> Written:
        """Separate `song` into float WAV files in a hidden folder, and those into `targets`."""

        def separated(progress: Progress) -> None:
            update(dataclasses.replace(progress, fraction=SEPARATED * progress.fraction))

        # "." is the folder itself: what is in it is moved by us, as templates may spread stems over several folders.
        with StemFolder(self._out, ".") as folder:
            result = self._separator.separate_to_files(
                song,
                folder.stems,
                name="separated",
                stems=self._stem or "all",
                subtype="float",
                clip_mode="none",
                sample_rate=self._separator.sample_rate,
                channels=2,
                complement=self._complement,
                progress=separated,
                cancel=self._stop,
            )
            ready, total = time.monotonic(), result.duration_s

            def encoded(samples: int) -> None:
                self._check()
                done = min(samples / result.sample_rate, total)
                fraction = SEPARATED + (1 - SEPARATED) * done / total
                update(Progress(fraction, done, total, "writing"))

            made = [folder.stems / f"{number}.{file_format(target)}" for number, target in enumerate(targets)]
            encode_stems([result.files[stem] for stem in self._names], made, song, self._sound, encoded)
            self._check()
            with self._moving:
                move_files(made, targets)
        shown = os.path.commonpath([target.parent for target in targets])
        names = [os.path.relpath(target, shown) for target in targets]
        return Written(result, shown, names, result.seconds + time.monotonic() - ready)
