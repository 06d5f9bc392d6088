"""From separated stems to the files of `unbraid demucs`, each at a level of its own, as the original has it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unbraid.audio.decode import Decoder
from unbraid.audio.encode import Encoder
from unbraid.audio.probe import probe
from unbraid.cli.demucs_names import file_format
from unbraid.errors import OutputError
from unbraid.files.oserrors import report_output_errors
from unbraid.files.workfolder import WorkFolder
from unbraid.separation.arrays import Floats
from unbraid.separation.stems import CLAMP, rescale_gain

SUBTYPES = {"wav": ("16", "24", "float"), "flac": ("16", "24")}


@dataclass(frozen=True, slots=True)
class Sound:
    """How stems are written. `subtype` (16, 24 or float) counts where a format has it, `bitrate` (bit/s) for MP3."""

    subtype: str
    bitrate: int
    clip_mode: str

    def subtype_of(self, format: str) -> str:
        """What `format` is written with: 16 bits where it hasn't what was asked for."""
        return self.subtype if self.subtype in SUBTYPES.get(format, ()) else "16"

    def bitrate_of(self, format: str) -> int | None:
        """The bit rate of `format`, None for its default."""
        return self.bitrate if format == "mp3" else None


def encode_stems(
    stems: Sequence[Path], files: Sequence[Path], song: Path, sound: Sound, step: Callable[[int], None]
) -> None:
    """Encode `stems`, WAV files of float32 (2, samples), all as long, into `files`, with tags and cover of `song`.

    The ending of a file says its format. `step` is told how many samples are done, and may raise to end the work; no
    file is there then. Raises OutputError.
    """
    info = probe(song)
    gains = _gains(stems) if sound.clip_mode == "rescale" else [1.0] * len(stems)
    with ExitStack() as stack:
        decoders = [stack.enter_context(Decoder(stem)) for stem in stems]
        encoders = [
            stack.enter_context(
                Encoder(
                    file,
                    sample_rate=decoder.sample_rate,
                    channels=decoder.channels,
                    format=file_format(file),
                    subtype=sound.subtype_of(file_format(file)),
                    bitrate=sound.bitrate_of(file_format(file)),
                    tags=info.tags,
                    cover=info.cover,
                    cover_mime=info.cover_mime,
                )
            )
            for file, decoder in zip(files, decoders, strict=True)
        ]
        # Entered last, so left first: on an error its threads are through before encoders are given up.
        pool = stack.enter_context(ThreadPoolExecutor(len(stems), thread_name_prefix="encode"))

        def write(encoder: Encoder, block: Floats, gain: float) -> None:
            if gain < 1:
                block = block * np.float32(gain)
            if sound.clip_mode == "clamp":
                block = np.clip(block, -CLAMP, CLAMP)
            encoder.write(block)

        done = 0
        for blocks in zip(*decoders, strict=True):
            list(pool.map(write, encoders, blocks, gains))  # list() passes on what they raise
            done += blocks[0].shape[1]
            step(done)


def _gains(stems: Sequence[Path]) -> list[float]:
    with ThreadPoolExecutor(len(stems), thread_name_prefix="gain") as pool:
        return list(pool.map(_gain, stems))


def _gain(stem: Path) -> float:
    """What brings the file's loudest sample below full scale."""
    with Decoder(stem) as decoder:
        return rescale_gain(max(float(np.abs(block).max()) for block in decoder))


def move_files(files: Sequence[Path], targets: Sequence[Path]) -> None:
    """Bring all finished `files` into their places, over older ones, on other disks too, or none.

    Raises OutputError.
    """
    for target in targets:
        if target.is_dir():
            raise OutputError(
                f"{target} is a folder, and a file is to be written there. Choose another --filename."
            )
    parents = list(dict.fromkeys(target.parent for target in targets))
    with ExitStack() as undo, ExitStack() as stack:
        hidden = {}
        for parent in parents:
            with report_output_errors(parent):
                _make(parent, undo)
                hidden[parent] = WorkFolder(parent)
                stack.callback(hidden[parent].remove)
        # A move to another disk is a copy, which takes its time and may fail; what follows on it is a renaming.
        ready = [hidden[target.parent].path / str(number) for number, target in enumerate(targets)]
        for file, beside in zip(files, ready, strict=True):
            with report_output_errors(beside.parent.parent):
                shutil.move(file, beside)
        for beside, target in zip(ready, targets, strict=True):
            with report_output_errors(target.parent):
                beside.replace(target)
        undo.pop_all()


def _make(folder: Path, undo: ExitStack) -> None:
    """Make `folder`; `undo` removes it again, and those above it that were not there either."""
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        path.mkdir(exist_ok=True)
        undo.callback(_remove_empty, path)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # someone else has put something there meanwhile
        folder.rmdir()
