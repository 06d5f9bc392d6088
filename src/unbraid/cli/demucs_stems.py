"""Encode the stems of `unbraid demucs`, each at its own level as demucs does, and move them into place."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.decode import Decoder
from unbraid.audio.encode import Encoder
from unbraid.audio.formats import subtypes
from unbraid.audio.probe import probe
from unbraid.cli.demucs_names import file_format
from unbraid.cli.demucs_records import RecordUpdate
from unbraid.errors import OutputError, WriteProblem
from unbraid.files.move_all import make_folder, move_all
from unbraid.files.oserrors import report_output_errors
from unbraid.files.workfolder import WorkFolder
from unbraid.separation.stems import CLAMP, rescale_gain


@dataclass(frozen=True, slots=True)
class Encoding:
    """How stems are encoded."""

    subtype: str
    """16, 24 or float; formats that lack it use 16."""
    bitrate: int
    """Bit/s, for MP3 only."""
    clip_mode: str

    def subtype_of(self, format: str) -> str:
        """Return the subtype for `format`: 16 bits if it lacks the chosen one."""
        return self.subtype if self.subtype in subtypes(format) else "16"

    def bitrate_of(self, format: str) -> int | None:
        """Return the bit rate of `format`, None for its default."""
        return self.bitrate if format == "mp3" else None


def encode_stems(
    stems: Sequence[Path],
    files: Sequence[Path],
    song: Path,
    encoding: Encoding,
    progress: Callable[[int], None],
) -> list[float]:
    """Encode `stems` into `files`, with the tags and the cover of `song`. Return the gain of each.

    `stems` are WAV files of float32, (2, samples), equally long. The extension of a file sets its format. `progress`
    receives the number of samples done. If it raises, no file is written. Raises OutputError.
    """
    info = probe(song)
    gains = _gains(stems) if encoding.clip_mode == "rescale" else [1.0] * len(stems)
    with ExitStack() as stack:
        decoders = [stack.enter_context(Decoder(stem)) for stem in stems]
        encoders = [
            stack.enter_context(
                Encoder(
                    file,
                    sample_rate=decoder.sample_rate,
                    channels=decoder.channels,
                    format=file_format(file),
                    subtype=encoding.subtype_of(file_format(file)),
                    bitrate=encoding.bitrate_of(file_format(file)),
                    tags=info.tags,
                )
            )
            for file, decoder in zip(files, decoders, strict=True)
        ]
        # Entered last and exited first: on an error, its threads end before the encoders discard their files.
        pool = stack.enter_context(ThreadPoolExecutor(len(stems), thread_name_prefix="encode"))

        def write(encoder: Encoder, block: Floats, gain: float) -> None:
            if gain < 1:
                block = block * np.float32(gain)
            if encoding.clip_mode == "clamp":
                block = np.clip(block, -CLAMP, CLAMP)
            encoder.write(block)

        done = 0
        for blocks in zip(*decoders, strict=True):
            list(pool.map(write, encoders, blocks, gains))  # list() raises the errors of the threads
            done += blocks[0].shape[1]
            progress(done)
    return gains


def _gains(stems: Sequence[Path]) -> list[float]:
    with ThreadPoolExecutor(len(stems), thread_name_prefix="gain") as pool:
        return list(pool.map(_gain, stems))


def _gain(stem: Path) -> float:
    """Return the gain that brings the file's loudest sample below full scale."""
    with Decoder(stem) as decoder:
        return rescale_gain(max(float(np.abs(block).max()) for block in decoder))


def move_files(files: Sequence[Path], targets: Sequence[Path], record: RecordUpdate | None = None) -> None:
    """Move all `files` to `targets`, replacing older files, or none of them. Targets may be on other disks.

    Other files of an earlier run on the song in `record` are removed. Raises OutputError.
    """
    for target in targets:
        if target.is_dir():
            raise OutputError(
                "is a folder, so no file can be written there.",
                path=target,
                problem=WriteProblem.IS_FOLDER,
                advice="Choose another --filename.",
            )
    parents = list(dict.fromkeys(target.parent for target in targets))
    with ExitStack() as undo, ExitStack() as stack:
        hidden = {}
        for parent in parents:
            with report_output_errors(parent):
                make_folder(parent, undo)
                hidden[parent] = WorkFolder(parent)
                stack.callback(hidden[parent].remove)
        # Moving to another disk copies, which may fail. So copy next to the targets first, then rename.
        copies = [hidden[target.parent].path / str(number) for number, target in enumerate(targets)]
        for file, copy in zip(files, copies, strict=True):
            with report_output_errors(copy.parent.parent):
                shutil.move(file, copy)
        if record:
            record.begin()
        move_all(list(zip(copies, targets, strict=True)), record.obsolete() if record else ())
        if record:
            record.finish()
        undo.pop_all()
