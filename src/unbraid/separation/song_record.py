"""The record in an output folder: which song its stems come from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import av

from unbraid.errors import InputError
from unbraid.files.oserrors import read_cause

RECORD = ".unbraid.json"


@dataclass(frozen=True, slots=True)
class SongRecord:
    """A song, and the files in the folder that were made from it."""

    sha256: str
    """Checksum of the song's encoded sound."""
    files: tuple[str, ...]
    """Names of the stems and the video."""

    def save(self, folder: Path) -> None:
        """Write the record into `folder`. Raises OSError."""
        (folder / RECORD).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="ascii")


def read_record(folder: Path) -> SongRecord | None:
    """Return the record in `folder`, None if there is none or it is unreadable."""
    try:
        content = json.loads((folder / RECORD).read_bytes())
        sha256, files = content["sha256"], content["files"]
        if not isinstance(sha256, str):
            return None
        # Only plain names: a record must not lead out of its folder.
        names = tuple(name for name in files if isinstance(name, str) and name == Path(name).name)
        return SongRecord(sha256, names)
    except (OSError, ValueError, LookupError, TypeError):
        return None


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
