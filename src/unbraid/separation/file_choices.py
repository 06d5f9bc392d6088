"""Types of the options of `Separator.separate_to_files`, which `separate_files` passes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from unbraid.audio.times import Time
    from unbraid.separation.folders import Existing
    from unbraid.separation.name_template import NameTemplate
    from unbraid.separation.separator import Separator

Then = Mapping[str, "Separator | str | PathLike[str]"]
"""Second models by the stem that each separates further."""


class FileFormat(TypedDict, total=False):
    """How stems are written; the fields of `FileOptions`."""

    format: str
    subtype: str | None
    bitrate: int | None
    sample_rate: int | None
    channels: int | None
    clip_mode: str | None


class FileContents(FileFormat, total=False):
    """Options that decide what the files of a song contain; see `Separator.separate_to_files`."""

    stems: str | Sequence[str]
    complement: str
    start: Time | None
    end: Time | None
    audio_stream: int | None
    video: bool
    parts_of: str | None
    then: Then | None


class FileChoices(FileContents, total=False):
    """Options for the files of a song; see `Separator.separate_to_files`."""

    name: str | None
    template: str | NameTemplate | None
    existing: Existing
