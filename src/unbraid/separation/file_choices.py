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


class FileChoices(TypedDict, total=False):
    """Options for the files of a song; see `Separator.separate_to_files`."""

    stems: str | Sequence[str]
    complement: str
    format: str
    subtype: str | None
    bitrate: int | None
    sample_rate: int | None
    channels: int | None
    clip_mode: str | None
    name: str | None
    template: str | NameTemplate | None
    existing: Existing
    start: Time | None
    end: Time | None
    audio_stream: int | None
    video: bool
    parts_of: str | None
    then: Then | None
