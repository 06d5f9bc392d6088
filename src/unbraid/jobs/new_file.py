"""Names and media types of new files, which come from users."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from typing import NamedTuple

from unbraid.errors import SettingError

_NAME_LENGTH = 255


class NewFile(NamedTuple):
    """A file to upload."""

    name: str
    type: str
    """Media type; empty: unknown."""
    size: int | None = None
    """Bytes; None: not announced."""


def check_type(file_type: str) -> None:
    """Raise SettingError unless it can be a media type, or is empty."""
    if len(file_type) > _NAME_LENGTH or not file_type.isprintable():
        raise SettingError("The file's type is not a media type such as audio/mpeg.", "fileType")


def display_name(file_name: str) -> str:
    """Return the name without folders and without control characters, such as line breaks."""
    name = PurePosixPath(file_name.replace("\\", "/")).name
    name = "".join(char for char in name if unicodedata.category(char)[0] != "C").strip()
    return name[-_NAME_LENGTH:] or "song"


def suffix(file_name: str) -> str:
    """Return the ending of the name with its dot; empty if it isn't a plain one."""
    ending = PurePosixPath(file_name).suffix.lower()
    return ending if re.fullmatch(r"\.[a-z0-9]{1,8}", ending) else ""
