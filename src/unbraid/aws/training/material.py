"""The files of a training: the stems of the songs that can be used, and the model to begin with.

Files get numbers instead of the names of songs. Stems in uncompressed files of whole numbers are encoded as FLAC, which
changes no sample. All other files are uploaded as they are: compressed ones would get larger, and 32-bit samples don't
fit into FLAC. The finished song beside the stems, which only the check needs, is not uploaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unbraid.audio.decode import Decoder
from unbraid.audio.encode import Encoder
from unbraid.audio.probe import probe
from unbraid.evaluation.multitrack import STEM_FILE_ENDINGS, stem_sources
from unbraid.finetuning.check import Check
from unbraid.finetuning.songs import SAMPLE_RATE
from unbraid.finetuning.spool import CHANNELS
from unbraid.models import Model
from unbraid.models.auto import is_choice
from unbraid.models.catalog import find_entry

SONGS, MODELS = "songs", "models"
"""Folders of the material."""
GB = 1e9
_DEPTHS = {"pcm_u8": "16", "pcm_s16le": "16", "pcm_s16be": "16", "pcm_s24le": "24", "pcm_s24be": "24"}
"""Codecs of whole numbers, with the sample type of FLAC that holds them."""
_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class File:
    """A file to upload. `key`: its path in the material."""

    key: str
    path: Path
    flac: str | None = None
    """Sample type of the FLAC to upload instead; None: the file itself."""

    @property
    def size(self) -> int:
        """Most bytes to upload."""
        return self.path.stat().st_size

    def encoded(self, folder: Path) -> Path:
        """Return the file to upload, which may be a new one in `folder`."""
        if self.flac is None:
            return self.path
        target = folder / "stem.flac"
        with Decoder(self.path) as decoder:
            rate, channels = decoder.sample_rate, decoder.channels
            with Encoder(
                target, sample_rate=rate, channels=channels, format="flac", subtype=self.flac
            ) as encoder:
                for block in decoder:
                    encoder.write(block)
        return target


def song_files(check: Check) -> list[File]:
    """Return the files of the songs that can be used, in the order of the check."""
    return [
        file
        for number, song in enumerate(check.used, 1)
        for file in _files(song.path, number, list(song.stems))
    ]


def _files(song: Path, number: int, stems: list[str]) -> Iterator[File]:
    name = f"{SONGS}/song-{number:04}"
    if not song.is_dir():
        (ending,) = (ending for ending in STEM_FILE_ENDINGS if song.name.lower().endswith(ending))
        yield File(name + ending, song)
        return
    for stem, (path, _) in stem_sources(song).items():
        if stem in stems:
            info = probe(path)
            flac = _DEPTHS.get(info.codec) if info.channels <= 2 else None
            yield File(f"{name}/{stem}{'.flac' if flac else path.suffix.lower()}", path, flac)


def model_files(base: str, model: Model) -> tuple[str, list[File]]:
    """Return the name of the model to begin with in the training, and its files; none if it is in every image."""
    name = _name(base, model)
    if (entry := find_entry(name)) is not None and not entry.files:
        return name, []  # it is part of Unbraid
    files = sorted(path for path in model.folder.rglob("*") if path.is_file())
    keys = [f"{MODELS}/{name}/{path.relative_to(model.folder).as_posix()}" for path in files]
    return name, [File(key, path) for key, path in zip(keys, files, strict=True)]


def _name(base: str, model: Model) -> str:
    """Return the name by which the training finds a model: that of the catalogue, or that of its folder."""
    if is_choice(base):
        return model.name
    if (entry := find_entry(base)) is not None:
        return entry.name
    name = Path(base).name
    return name if _NAME.fullmatch(name) and find_entry(name) is None and not is_choice(name) else "base"


def decoded_bytes(check: Check) -> int:
    """Return the disk space of all stems while the model learns; see `unbraid.finetuning.spool`."""
    seconds = sum(stem.seconds for song in check.used for stem in song.stems.values())
    return round(seconds * SAMPLE_RATE * CHANNELS * 2)
