"""Find the entries of a zip file from `torch.save`: uncompressed, unencrypted, with unique names."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass

from unbraid.models.readers.tensors import PackageError

# Bytes. The directory at the end of a network's file has some 600 entries of about 80 bytes; zipfile reads all of it.
LONGEST_DIRECTORY = 1 << 20

DAMAGED = "it is damaged or truncated"

# Signature, length of the name, length of the extra field; name and extra field follow.
LOCAL_HEADER = struct.Struct("<4s22xHH")


@dataclass(frozen=True, slots=True)
class Entry:
    """Place of an entry's bytes in the file, and their checksum."""

    offset: int
    length: int
    crc32: int

    def read(self, file: io.FileIO, longest: int) -> bytes:
        """Return the content. Raises PackageError if it is longer than `longest` bytes or its checksum is wrong."""
        if self.length > longest:
            raise PackageError("its description is too long")
        file.seek(self.offset)
        content = file.read(self.length)
        if zlib.crc32(content) != self.crc32:
            raise PackageError("it is damaged: a checksum in it is wrong")
        return content


class _ShortReads(io.FileIO):
    """A file with a limit for each read, so that a zip with a directory of gigabytes can't fill the memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = LONGEST_DIRECTORY
        if size > LONGEST_DIRECTORY:
            raise PackageError("its zip directory is too long")
        return super().read(size)


def stored_entries(file: io.FileIO) -> dict[str, Entry]:
    """Return the entries of a zip file by their name inside its only folder.

    Raises PackageError, and OSError if the file can't be read.
    """
    size = file.seek(0, io.SEEK_END)
    entries: dict[str, Entry] = {}
    folders, end = set(), 0
    for info in sorted(_directory(file), key=lambda info: info.header_offset):
        folder, _, name = info.filename.partition("/")
        folders.add(folder)
        if _is_invalid(info.orig_filename) or name in entries or not name:
            raise PackageError(f"an entry has a duplicate or invalid name ({info.filename!r:.80})")
        if (
            info.compress_type != zipfile.ZIP_STORED
            or info.flag_bits & 1
            or info.file_size != info.compress_size
        ):
            raise PackageError("it is compressed or encrypted, unlike published weights")
        if info.header_offset < end:
            raise PackageError("its entries overlap")
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
        raise PackageError("PyTorch didn't save it: its entries are not in one folder")
    return entries


def _directory(file: io.FileIO) -> list[zipfile.ZipInfo]:
    with _ShortReads(file.fileno(), closefd=False) as short:
        try:
            return zipfile.ZipFile(short).infolist()
        except PackageError:
            raise
        # Errors of zipfile for an invalid directory; the last two are for offsets outside the file.
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            struct.error,
            ValueError,
            OverflowError,
            OSError,
        ) as error:
            raise PackageError(DAMAGED) from error


def _is_invalid(name: str) -> bool:
    """Whether an entry's name isn't plain printable parts between slashes."""
    return not name.isprintable() or "\\" in name or not {"", ".", ".."}.isdisjoint(name.split("/"))
