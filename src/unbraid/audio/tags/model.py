"""Tags of a song, in a form that every tag system can be written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

OTHER_PICTURE, FRONT_COVER = 0, 3
"""Types of pictures (ID3v2.4, section 4.14); FLAC uses the same numbers."""


class System(StrEnum):
    """A way to store tags. Files of several formats may share one."""

    ID3 = "ID3"
    """ID3v2 in MP3, WAV and AIFF: items are frames in the form of version 2.4, without their headers."""
    VORBIS = "Vorbis comments"
    """Comments in FLAC and Ogg: items are UTF-8 text."""
    MP4 = "MP4"
    """Apple's metadata items in MP4: items are atoms without their headers."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A cover or another picture, JPEG or PNG."""

    data: bytes = field(repr=False)
    mime: str
    width: int
    height: int
    kind: int = FRONT_COVER
    description: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A named part of the song. Times are in milliseconds."""

    start_ms: int
    end_ms: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class Tags:
    """All tags of a song.

    `texts` is what every system can store: values by name (`unbraid.audio.tags.names`). `items` are the tags as the
    file stores them, by their name in `system`: a file with the same system gets these, so that nothing is lost.
    """

    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    system: System | None = None
    items: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    container: str = ""
    """FFmpeg's name of the song's container."""

    @property
    def cover(self) -> Picture | None:
        """The front cover, or else the first picture."""
        fronts = (picture for picture in self.pictures if picture.kind == FRONT_COVER)
        return next(fronts, next(iter(self.pictures), None))

    def with_missing(self, other: Tags) -> Tags:
        """Return these tags, and those of `other` that are missing here."""
        stored = other if self.system is None else self
        return replace(
            self,
            texts={**other.texts, **self.texts},
            pictures=self.pictures or other.pictures,
            chapters=self.chapters or other.chapters,
            system=stored.system,
            items=stored.items,
        )

    def with_texts(self, texts: Mapping[str, tuple[str, ...]]) -> Tags:
        """Return these tags, and those of `texts` that are missing here."""
        return replace(self, texts={**texts, **self.texts})

    def without_times(self) -> Tags:
        """Return the tags for a part of the song: without chapters, and without items, which may contain times."""
        return replace(self, chapters=(), system=None, items=())

    def text(self, name: str) -> str | None:
        """Return the first value of `name`, or None."""
        return next(iter(self.texts.get(name, ())), None)
