"""Plan the files of a song: their names below the output folder, by a folder of its own or by a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unbraid.audio.formats import STEM
from unbraid.audio.stem_names import STEM_ENDING
from unbraid.audio.times import TimeRange
from unbraid.errors import SettingError
from unbraid.separation.folders import StrPath
from unbraid.separation.name_template import NameTemplate, name_by
from unbraid.separation.naming import (
    FolderNaming,
    Naming,
    check_folder_name,
    check_subfolder,
    output_folder_name,
)


@dataclass(frozen=True, slots=True)
class FilePlan:
    """The files of one song."""

    naming: Naming
    files: tuple[str, ...]
    """Names `STEM.FORMAT`, as `naming` takes them."""


def plan_files(
    song: StrPath,
    stems: Sequence[str],
    format: str,
    *,
    model: str,
    name: str | None,
    template: str | NameTemplate | None,
    subfolder: StrPath | None,
    part: TimeRange | None,
    audio_stream: int | None,
) -> FilePlan:
    """Plan the files for `stems` of `song`; see `Separator.separate_to_files`. A template may read the song's tags.

    Raises SettingError, and InputError if the tags can't be read.
    """
    folder = check_subfolder(subfolder)
    label = part.label if part else None
    own_name = output_folder_name(song, label) if name is None else check_folder_name(name)
    naming: Naming = FolderNaming(own_name, folder)
    if template is not None:
        if part is not None:
            raise SettingError(
                "A part of a song has a folder of its own. Leave out the name, or the start and the end."
            )
        naming = name_by(template, Path(song), folder, model, audio_stream)
    files = [own_name + STEM_ENDING] if format == STEM else [f"{stem}.{format}" for stem in stems]
    naming.check(files)
    return FilePlan(naming, tuple(files))
