"""Fuzzed sound files. A number, the seed, determines the format, the recordings and all changes of a file.

    python -m tests.stress.fuzzed_files FOLDER SEED...     # write them, to look at

Each file has a `plain` version, for which a right length is known: the same recordings with the same damage, but
without tags. A file is one of these:

- intact: one recording, or several joined ones, perhaps with tags. Its right length is the sum of the recordings.
- damaged: one recording or joined ones, some of them damaged, perhaps with tags.
"""

from __future__ import annotations

import base64
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.stress.fuzz_changes import DAMAGE, TAGS_AT_END, TAGS_IN_FRONT, with_flac_picture
from tests.stress.fuzz_formats import (
    JOINABLE,
    NAMES,
    READ_ONLY,
    WRITTEN,
    Part,
    part,
    rates_and_channels,
    streams_of,
)

SEEDS_OF_PARTS = 4
# Covers may contain bytes like frames of sound: whole recordings in formats whose frames are followed one by one, in
# others frames of MP3. (A WebM with a WebM as its cover is not a file that people have.) Without its header, any other
# file with such a cover is an MP3, so damaged ones have none.
WALKED = ("mp3-libmp3lame", "mp2-mp2", "aac-aac", "he-aac.aac", "ac3-ac3", "eac3-eac3")
MPEG_FRAMES = 20 * (b"\xff\xfb\x90\x64" + bytes(413))
# Containers whose own tags FFmpeg writes, with a cover as a comment where it is one.
_OWN_TAGS = ("ogg", "mp3", "ipod", "mp4", "mov", "matroska", "webm", "flac", "asf", "wav", "aiff", "nut")


@dataclass(frozen=True)
class FuzzedFile:
    """A fuzzed file, not written yet."""

    seed: int
    name: str
    """The name of the format."""
    changes: tuple[str, ...]
    content: bytes
    plain: bytes
    plain_parts: tuple[bytes, ...]
    """The recordings of which `plain` is joined."""
    """The same without tags."""
    intact_parts: tuple[Part, ...]
    """The recordings before they were damaged."""
    is_damaged: bool
    inserted: int
    """Bytes inserted by damage."""
    stream: int | None

    @property
    def ending(self) -> str:
        """The ending of the file's name."""
        return WRITTEN[self.name].ending if self.name in WRITTEN else self.name.rpartition(".")[2]

    @property
    def is_one_recording(self) -> bool:
        """Whether players read all of the file: one recording, or a format of which `cat` makes one recording."""
        return len(self.intact_parts) == 1 or self.name in JOINABLE

    @property
    def kind_of_change(self) -> str:
        """The kinds of change, for counting."""
        kinds = []
        if len(self.intact_parts) > 1:
            alike = len({one.rate for one in self.intact_parts}) == 1
            kinds.append("joined" if alike else "joined, other rates")
        if self.is_damaged:
            kinds.append("truncated" if {"truncate", "behead"} & set(self.changes) else "mutated")
        if any(change.startswith("tag ") for change in self.changes):
            kinds.append("re-tagged")
        return " + ".join(kinds) or "unchanged"

    def __str__(self) -> str:
        parts = ", ".join(f"{one.rate} Hz {one.samples}" for one in self.intact_parts)
        stream = "" if self.stream is None else f", stream {self.stream}"
        return f"seed {self.seed}: {self.name} ({parts}{stream}): {', '.join(self.changes) or 'unchanged'}"


def fuzzed_file(seed: int, folder: Path, names: tuple[str, ...] = NAMES) -> FuzzedFile:
    """Make the file of a `seed`. `folder` is for temporary files."""
    random = Random(seed)
    name = names[seed % len(names)]
    streams = random.randint(1, streams_of(name))
    changes: list[str] = []
    count = random.choice((1, 1, 1, 2, 3))
    has_own_tags = random.random() < 0.15 and (count == 1 or name in JOINABLE)
    own_tags = _own_tags(name, random) if has_own_tags else ()
    shapes = rates_and_channels(name)
    first = random.choice(shapes)
    same_shape = random.random() < 0.5
    sources = [
        (
            *(first if same_shape else random.choice(shapes)),
            (random.randrange(SEEDS_OF_PARTS) + at) % 4,
            streams,
        )
        for at in range(count)
    ]
    intact = [part(folder, name, *source) for source in sources]
    tagged = [part(folder, name, *source, own_tags) for source in sources] if own_tags else intact
    if own_tags:
        changes.append("tag of its own")
    if count > 1:
        changes.insert(0, f"join {count}")

    is_damaged = random.random() < 0.65
    contents, plain = [one.content for one in tagged], [one.content for one in intact]
    inserted = 0
    if is_damaged:
        # Damage hits the same bytes with and without the format's own tags only if it is done before tagging.
        contents, changes = plain, [change for change in changes if change != "tag of its own"]
        for _ in range(random.choice((1, 1, 2, 3))):
            kind, at = random.choice(list(DAMAGE)), random.randrange(count)
            damaged = DAMAGE[kind](plain[at], random)
            inserted += max(0, len(damaged) - len(plain[at]))
            plain = [*plain[:at], damaged, *plain[at + 1 :]]
            changes.append(kind)
        contents = plain
    content = b"".join(contents)
    if random.random() < (0.3 if is_damaged else 0.7):
        content = _with_tags(contents, name, random, changes)
    return FuzzedFile(
        seed,
        name,
        tuple(changes),
        content,
        b"".join(plain),
        tuple(plain),
        tuple(intact),
        is_damaged,
        inserted,
        random.choice((None, streams - 1)) if streams > 1 else None,
    )


def _own_tags(name: str, random: Random) -> tuple[tuple[str, str], ...]:
    if name in READ_ONLY or WRITTEN[name].container not in _OWN_TAGS:
        return ()
    tags = [("title", "A title ☃"), ("comment", "x" * random.choice((0, 300, 30_000)))]
    if WRITTEN[name].container == "ogg":
        picture = struct.pack(">II", 3, 10) + b"image/jpeg" + struct.pack(">5I", 0, 8, 8, 24, 0)
        data = random.randbytes(random.choice((500, 50_000, 300_000)))
        picture += struct.pack(">I", len(data)) + data
        tags.append(("METADATA_BLOCK_PICTURE", base64.b64encode(picture).decode()))
    return tuple(tags)


def _with_tags(contents: list[bytes], name: str, random: Random, changes: list[str]) -> bytes:
    """Join the contents with tags in front, between and at the end."""
    is_damaged = not set(DAMAGE).isdisjoint(changes)
    trap = contents[0][:20_000] if name in WALKED else b"" if is_damaged else MPEG_FRAMES
    contents = list(contents)
    if name == "flac-flac" and random.random() < 0.4 and contents[0].startswith(b"fLaC\0\0\0\x22"):
        contents[0] = with_flac_picture(contents[0], random)
        changes.append("tag FLAC picture")
    for at in range(len(contents)):
        where = "in front" if at == 0 else "between"
        if where == "between" and name not in JOINABLE:
            continue  # more bytes that are neither the first recording nor another one
        if random.random() < 0.6:
            kind = random.choice(list(TAGS_IN_FRONT))
            contents[at] = TAGS_IN_FRONT[kind](random, trap) + contents[at]
            changes.append(f"tag {kind} {where}")
    for at in range(len(contents)):
        where = "at the end" if at == len(contents) - 1 else "between"
        if where == "between" and name not in JOINABLE:
            continue
        if random.random() < 0.4:
            kind = random.choice(list(TAGS_AT_END))
            contents[at] += TAGS_AT_END[kind](random, trap)
            changes.append(f"tag {kind} {where}")
    return b"".join(contents)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number in sys.argv[2:]:
        file = fuzzed_file(int(number), folder)
        (folder / f"{number}.{file.ending}").write_bytes(file.content)
        (folder / f"{number}.plain.{file.ending}").write_bytes(file.plain)
        print(file)
