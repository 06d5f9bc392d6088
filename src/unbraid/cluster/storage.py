"""Songs and stems in a storage that all machines reach: S3, Google Cloud Storage, a shared folder.

fsspec (https://filesystem-spec.readthedocs.io) names it by a URL, such as `s3://bucket/folder`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from unbraid.audio.named import is_named_otherwise
from unbraid.errors import SettingError
from unbraid.separation.find_songs import HIDDEN
from unbraid.separation.folders import file_key
from unbraid.separation.naming import output_folder_name
from unbraid.separation.song_record import RECORD, SongRecord, parse_record

SECONDS_TO_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class StoredSong:
    """A file in the storage that may be a song."""

    path: str
    """Path in the storage, as fsspec writes it."""
    folder: str
    """Its folder below the folder that was listed; empty for that folder itself."""
    name: str
    """Name of the folder for its stems."""
    size: int
    """Bytes."""
    modified_ns: int
    """Time of the last change, in ns since 1970."""

    @property
    def label(self) -> str:
        """Path below the folder that was listed."""
        return f"{self.folder}/{self.path.rpartition('/')[2]}".lstrip("/")


class Storage:
    """A folder in a storage. Errors are those of the storage's library: OSError and others."""

    def __init__(self, url: str) -> None:
        """Open the storage that `url` names. Raises SettingError if its library is missing or the URL is wrong."""
        import fsspec

        self.url = url
        try:
            # Without a cache of listings: other machines write at the same time.
            self._files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise SettingError(f"{url} can't be opened: {error}") from error
        self._root = str(root).rstrip("/")

    def songs(self, leave_out: Self | None = None) -> Iterator[StoredSong]:
        """Yield the files that may be songs, folder by folder, sorted; not hidden ones, stems, and `leave_out`.

        Pictures and texts are left out by their names, because other files are downloaded to look inside.

        A song's folder is named after the file without its suffix. If another song of the folder could get that name,
        it is named after the whole file, so that no two songs meet.
        """
        for path, folders, files in self._files.walk(self._root, detail=True):
            place = str(path).rstrip("/")
            if RECORD in files or (leave_out is not None and place == leave_out._root):
                folders.clear()
                continue
            visible = {name: folders[name] for name in sorted(folders) if not name.startswith(HIDDEN)}
            folders.clear()  # `walk` goes on with what is in it
            folders.update(visible)
            below = place.removeprefix(self._root).strip("/")
            found = {
                name: info
                for name, info in sorted(files.items())
                if name and not name.startswith(HIDDEN) and not is_named_otherwise(name)
            }
            short = Counter(file_key(output_folder_name(name)) for name in found)
            whole = {file_key(name) for name in found}
            for name, info in found.items():
                own = output_folder_name(name)
                if short[file_key(own)] > 1 or file_key(own) in whole:
                    own = name
                yield StoredSong(
                    f"{place}/{name}",
                    below,
                    own,
                    int(info["size"] or 0),
                    self._modified_ns(place, name, info),
                )

    def url_of(self, song: StoredSong) -> str:
        """Return the URL of a song."""
        return str(self._files.unstrip_protocol(song.path))

    def download(self, song: StoredSong, target: Path) -> None:
        """Write the song to `target`."""
        self._files.get_file(song.path, str(target))

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of the files in `folder`, by their names; empty if there is none."""
        try:
            # s3fs lists the folder above, with all songs of the catalogue, if there is nothing in this one.
            if not self._files.isdir(self._at(folder)):
                return {}
            entries = self._files.ls(self._at(folder), detail=True, refresh=True)
        except FileNotFoundError:
            return {}
        return {
            str(entry["name"]).rpartition("/")[2]: int(entry["size"] or 0)
            for entry in entries
            if entry["type"] == "file"
        }

    def read_record(self, folder: str) -> SongRecord | None:
        """Return the record in `folder`; None if there is none or it is unreadable."""
        try:
            return parse_record(self._files.cat_file(f"{self._at(folder)}/{RECORD}"))
        except FileNotFoundError:
            return None

    def write_record(self, folder: str, record: SongRecord) -> None:
        """Write the record of `folder`."""
        self._files.makedirs(self._at(folder), exist_ok=True)
        self._files.pipe_file(f"{self._at(folder)}/{RECORD}", record.to_json())

    def upload(self, file: Path, folder: str, name: str) -> None:
        """Write `file` to `folder`. A reader sees the whole file or none."""
        target = f"{self._at(folder)}/{name}"
        if "file" in self._protocols:  # objects of other storages appear when they are complete
            hidden = f"{self._at(folder)}/{HIDDEN}{name}"
            self._files.put_file(str(file), hidden)
            self._files.mv(hidden, target)
        else:
            self._files.put_file(str(file), target)

    def remove(self, folder: str, name: str) -> None:
        """Delete a file, if it is there."""
        with suppress(FileNotFoundError):
            self._files.rm_file(f"{self._at(folder)}/{name}")

    @property
    def _protocols(self) -> tuple[str, ...]:
        protocol = self._files.protocol
        return (protocol,) if isinstance(protocol, str) else tuple(protocol)

    def _at(self, folder: str) -> str:
        return f"{self._root}/{folder}" if folder else self._root

    def _modified_ns(self, place: str, name: str, info: Mapping[str, Any]) -> int:
        """Return the time of the last change, which each storage lists under another name."""
        for field in ("LastModified", "mtime", "updated", "last_modified"):
            if (value := info.get(field)) is not None:
                break
        else:
            value = self._files.modified(f"{place}/{name}")
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            value = value.timestamp()
        return round(value * SECONDS_TO_NS)
