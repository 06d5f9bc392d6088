"""The record in an output folder: which song its files come from, and how they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import av

from unbraid.errors import InputError
from unbraid.files.oserrors import read_cause
from unbraid.separation.recipe import Recipe

RECORD = ".unbraid.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file of a song, as it was when the song was read. Two equal ones have the same content."""

    path: str
    """Absolute path."""
    size: int
    """Bytes."""
    mtime_ns: int
    """Time of the last change, in ns since 1970."""


@dataclass(frozen=True, slots=True)
class Making:
    """How the files of a song were made, and what a result says about them."""

    recipe: Recipe
    stems: Mapping[str, str]
    """Name of each stem's file, by stem; as in `Result.files`."""
    duration_s: float
    sample_rate: int
    gain: float
    then: Mapping[str, Mapping[str, Any]]
    """Model and gain of each second pass, by stem."""
    music: Mapping[str, Any] = field(default_factory=dict)
    """Tempo, beats and key, as in `Music.values`. Records of older versions have none."""


@dataclass(frozen=True, slots=True)
class SongRecord:
    """A song, and the files that were made from it."""

    sha256: str
    """Checksum of the song's encoded sound."""
    files: Mapping[str, int | None]
    """Names of the stems and the video, with their sizes in bytes; None: unknown."""
    source: SourceFile | None = None
    making: Making | None = None
    """None while files are being replaced, and in records of older versions."""
    folder: str | None = None
    """Absolute folder of the files, without links, if the record is in another folder."""

    def save(self, path: Path) -> None:
        """Write the record. Raises OSError."""
        path.write_bytes(self.to_json())

    def to_json(self) -> bytes:
        """Return the content of the record's file."""
        return (json.dumps({"version": VERSION, **asdict(self)}, indent=1) + "\n").encode("ascii")

    def is_made_by(self, recipe: Recipe) -> bool:
        """Whether all files were made by `recipe`."""
        return bool(self.files) and self.making is not None and self.making.recipe == recipe

    def is_done(self, recipe: Recipe, folder: Path) -> bool:
        """Whether all files were made by `recipe` and are in `folder` with their sizes."""
        if not self.is_made_by(recipe):
            return False
        try:
            return all((folder / name).stat().st_size == size for name, size in self.files.items())
        except OSError:
            return False


class SongSound:
    """The sound of a file, to compare with records."""

    def __init__(self, song: Path) -> None:
        self._song = song
        self.source: SourceFile | None = None
        with suppress(OSError, ValueError):
            status = song.stat()
            self.source = SourceFile(str(song.absolute()), status.st_size, status.st_mtime_ns)

    @cached_property
    def sha256(self) -> str:
        """Checksum of the encoded sound. Raises InputError."""
        return checksum(self._song)

    def is_unchanged(self, record: SongRecord) -> bool:
        """Whether the record is of this file with the same size and time. Reads only the file's status."""
        return self.source is not None and record.source == self.source

    def is_same(self, record: SongRecord) -> bool:
        """Whether the record is of this sound. Raises InputError."""
        if self.is_unchanged(record):
            self.__dict__.setdefault("sha256", record.sha256)  # spares reading the whole file
        return self.sha256 == record.sha256


def read_record(path: Path) -> SongRecord | None:
    """Return the record in the file `path`, None if there is none or it is unreadable."""
    try:
        return parse_record(path.read_bytes())
    except (OSError, ValueError):
        return None


def parse_record(text: bytes) -> SongRecord | None:
    """Return the record in the content of its file, None if it isn't one."""
    try:
        content = json.loads(text)
        sha256, files = content["sha256"], content["files"]
        if not isinstance(sha256, str):
            return None
        sizes = files if isinstance(files, dict) else {}  # records of older versions have only the names
        return SongRecord(
            sha256,
            {name: sizes.get(name) for name in files if _is_inside(name)},
            SourceFile(**content["source"]) if content.get("source") else None,
            _making(content.get("making")),
            content.get("folder"),
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _making(content: Any) -> Making | None:
    if not content:
        return None
    making = Making(**{**content, "recipe": Recipe(**content["recipe"])})
    return making if all(map(_is_inside, making.stems.values())) else None


def _is_inside(name: object) -> bool:
    """Whether `name` stays in the folder of its record."""
    return (
        isinstance(name, str)
        and name not in ("", ".")
        and not name.startswith("/")
        and ".." not in Path(name).parts
    )


def checksum(song: Path) -> str:
    """Return the SHA-256 of the encoded sound in a file, so that new tags don't make it another song.

    The whole file counts if FFmpeg can't read it. Raises InputError.
    """
    try:
        digest = hashlib.sha256()
        with av.open(f"file:{song.absolute()}", "r", metadata_errors="replace") as container:
            for packet in container.demux(*container.streams.audio) if container.streams.audio else ():
                digest.update(bytes(packet))
        return digest.hexdigest()
    except MemoryError:  # FFmpeg's MemoryError is an FFmpegError too
        raise
    except (av.FFmpegError, IndexError, ValueError):
        pass
    try:
        with song.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = f"can't be read: {read_cause(error)}. Check the disk."
        raise InputError(reason, subject=song.name) from error
