"""Write tags into the file that FFmpeg encodes: reserve room in its header, and fill it once the sound is complete.

FFmpeg's muxers don't know the frames, comments and atoms that DJ programs and players read: they write `TBPM` as
`TXXX:tbpm`, and no tempo, key or gain into an MP4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import IO

from av.container import OutputContainer

from unbraid.audio.formats import STEM
from unbraid.audio.tags import id3, id3_tags, mp4, places, vorbis
from unbraid.audio.tags.model import Chapter, System, Tags
from unbraid.audio.tags.names import INFO, canonical, is_dj_mark

_SYSTEMS = {
    "mp3": System.ID3,
    "wav": System.ID3,
    "flac": System.VORBIS,
    "opus": System.VORBIS,
    "m4a": System.MP4,
    STEM: System.MP4,
}
# Containers whose times DJ programs count like those of the format. Between others they differ by an encoder's delay.
_SAME_TIMES = {
    "mp3": ("mp3",),
    "wav": ("wav", "aiff"),
    "flac": ("flac",),
    "opus": ("ogg",),
    "m4a": ("mov,mp4,m4a,3gp,3g2,mj2",),
    STEM: (),
}
_SLACK = 1024  # bytes of padding, so that a tag can be added or edited without moving the sound


@dataclass
class TagWriter:
    """Writer of `tags` into a file of `format`, which will be `length_ms` long (None: unknown)."""

    format: str
    tags: Tags
    length_ms: int | None = None
    _frames: list[id3.Frame] = field(init=False, default_factory=list)
    _comments: bytes = field(init=False, default=b"")
    _pictures: list[bytes] = field(init=False, default_factory=list)
    _ilst: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        self.tags = replace(self.tags, chapters=self._chapters())
        self._pack()

    def add(self, texts: Mapping[str, tuple[str, ...]]) -> None:
        """Add texts that the tags lack, such as `bpm`: at most _SLACK bytes, before `finish`."""
        new = {name: values for name, values in texts.items() if name not in self.tags.texts}
        # An item without a value would stand beside the new one: some programs write the tempo 0.
        items = tuple(item for item in self.tags.items if canonical(item[0]) not in new)
        self.tags = replace(self.tags, texts={**self.tags.texts, **new}, items=items)
        self._pack()

    def _pack(self) -> None:
        """Pack the tags in the form of the format."""
        tags = self.tags
        system = _SYSTEMS[self.format]
        marks = tags.container in _SAME_TIMES[self.format]
        items = [item for item in tags.items if tags.system is system and (marks or not is_dj_mark(item[0]))]
        if system is System.ID3:
            self._frames = id3_tags.frames_of(tags, items)
        elif system is System.MP4:
            self._ilst = mp4.ilst_of(tags, items)
        else:
            pictures = [vorbis.picture_comment(picture) for picture in tags.pictures]
            is_opus = self.format == "opus"
            self._comments = vorbis.block_of(tags, items + (pictures if is_opus else []), opus=is_opus)
            self._pictures = [] if is_opus else self._that_fit(map(vorbis.picture_block, tags.pictures))

    def _chapters(self) -> tuple[Chapter, ...]:
        """Return the chapters within the length. In an MP4 they are a track, which starts at 0 without overlaps."""
        if self.format == STEM:
            return ()  # chapters would be a sixth track
        last = 0xFFFFFFFF if self.length_ms is None else self.length_ms
        inside = [chapter for chapter in self.tags.chapters if chapter.start_ms < last]
        if self.format == "m4a":
            inside = list({chapter.start_ms: chapter for chapter in inside}.values())
            if inside and inside[0].start_ms > 0:
                inside.insert(0, Chapter(0, inside[0].start_ms))
            ends = [*(chapter.start_ms for chapter in inside[1:]), last]
            pairs = zip(inside, ends, strict=False)
            inside = [replace(one, end_ms=max(one.start_ms, min(one.end_ms, end))) for one, end in pairs]
        return tuple(replace(chapter, end_ms=min(chapter.end_ms, last)) for chapter in inside)

    def _that_fit(self, pictures: Iterable[bytes]) -> list[bytes]:
        """Return the pictures that fit into the largest block that FFmpeg can reserve in a FLAC file."""
        fitting: list[bytes] = []
        for picture in pictures:
            if self._flac_room([*fitting, picture]) <= places.LONGEST_BLOCK:
                fitting.append(picture)
        return fitting

    def _flac_room(self, pictures: list[bytes]) -> int:
        return places.flac_room(self._comments, pictures) + _SLACK

    @property
    def options(self) -> dict[str, str]:
        """Options of FFmpeg's muxer that reserve the room."""
        if self.format == "mp3":
            return {"id3v2_version": "4", "metadata_header_padding": str(len(id3.tag(self._frames)) + _SLACK)}
        if self.format == "flac":
            return {"metadata_header_padding": str(self._flac_room(self._pictures))}
        return {}

    def prepare(self, container: OutputContainer) -> None:
        """Set what FFmpeg writes itself. Call before the file's header is written."""
        if self.format == "wav":
            for name in INFO:
                if name in self.tags.texts:
                    container.metadata[name] = "; ".join(self.tags.texts[name])
        elif self.format == "opus":
            container.metadata["x"] = "." * (len(self._comments) + _SLACK)
        elif self.format == "m4a" and self.tags.chapters:
            container.set_chapters(
                [
                    {
                        "id": number,
                        "start": chapter.start_ms,
                        "end": chapter.end_ms,
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": chapter.title},
                    }
                    for number, chapter in enumerate(self.tags.chapters)
                ]
            )

    def finish(self, file: IO[bytes], user_data: Mapping[str, bytes] | None = None) -> None:
        """Write the tags into the finished `file`. `user_data` are boxes for moov/udta of an MP4."""
        if self.format == "mp3":
            places.put_id3_at_start(file, self._frames)
        elif self.format == "wav":
            if self._frames:
                places.put_id3_chunk(file, self._frames)
        elif self.format == "flac":
            places.put_flac_blocks(file, self._comments, self._pictures)
        elif self.format == "opus":
            places.put_ogg_comments(file, self._comments)
        elif self._ilst or user_data:
            places.put_mp4_items(file, self._ilst, user_data or {})
