"""Finds the entries of a zip file as `torch.save` writes it: nothing compressed, nothing encrypted, none twice."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass

from unbraid.models.readers.tensors import PackageError

# A network has some 600 entries, of about 80 bytes each in the directory at the file's end; zipfile holds them all.
LONGEST_DIRECTORY = 1 << 20

DAMAGED = "it is damaged or cut short"

LOCAL_HEADER = struct.Struct(
    "<4s22xHH"
)  # signature; lengths of the name and of the extra field, which follow it


@dataclass(frozen=True, slots=True)
class Entry:
    """Where an entry's bytes lie in the file, and their checksum."""

    offset: int
    length: int
    crc32: int

    def read(self, file: io.FileIO, longest: int) -> bytes:
        """All of it. Raises PackageError when it is longer than `longest` bytes or its checksum is wrong."""
        if self.length > longest:
            raise PackageError("what it says of itself is absurdly long")
        file.seek(self.offset)
        content = file.read(self.length)
        if zlib.crc32(content) != self.crc32:
            raise PackageError("it is damaged: a checksum in it is wrong")
        return content


class _ShortReads(io.FileIO):
    """A file of which zipfile can't be made to read a directory of gigabytes into memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = LONGEST_DIRECTORY
        if size > LONGEST_DIRECTORY:
            raise PackageError("the directory in it is absurdly long")
        return super().read(size)


def stored_entries(file: io.FileIO) -> dict[str, Entry]:
    """The entries of a zip file by their name below the folder that holds them all.

    Raises PackageError, and OSError when the file can't be read.
    """
    size = file.seek(0, io.SEEK_END)
    entries: dict[str, Entry] = {}
    folders, end = set(), 0
    for info in sorted(_directory(file), key=lambda info: info.header_offset):
        folder, _, name = info.filename.partition("/")
        folders.add(folder)
        if _odd(info.orig_filename) or name in entries or not name:
            raise PackageError(f"an entry in it is there twice or has an odd name ({info.filename!r:.80})")
        if (
            info.compress_type != zipfile.ZIP_STORED
            or info.flag_bits & 1
            or info.file_size != info.compress_size
        ):
            raise PackageError("it is compressed or encrypted, which published weights are not")
        if info.header_offset < end:
            raise PackageError("entries in it overlap")
        if info.header_offset > size:
            raise PackageError(DAMAGED)
        file.seek(info.header_offset)
        header = file.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise PackageError(DAMAGED)
        _, name_length, extra_length = LOCAL_HEADER.unpack(header)
        offset = info.header_offset + LOCAL_HEADER.size + name_length + extra_length
        entries[name] = Entry(offset, info.file_size, info.CRC)
        end = offset + info.file_size
    if end > size:
        raise PackageError(DAMAGED)
    if len(folders) != 1:
        raise PackageError("it is not what PyTorch saves: its entries are not in one folder")
    return entries


def _directory(file: io.FileIO) -> list[zipfile.ZipInfo]:
    with _ShortReads(file.fileno(), closefd=False) as short:
        try:
            return zipfile.ZipFile(short).infolist()
        except PackageError:
            raise
        # What zipfile raises where a directory makes no sense; the last two for places where no file has any.
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            struct.error,
            ValueError,
            OverflowError,
            OSError,
        ) as error:
            raise PackageError(DAMAGED) from error


def _odd(name: str) -> bool:
    """Whether an entry's name has more or less than plain parts between slashes."""
    return not name.isprintable() or "\\" in name or not {"", ".", ".."}.isdisjoint(name.split("/"))
