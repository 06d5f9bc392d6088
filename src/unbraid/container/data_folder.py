"""The folder that a container's app writes to: a volume or a folder of the host, which may belong to any user."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from unbraid.errors import SettingError
from unbraid.files.oserrors import write_cause
from unbraid.process_user import GROUP, USER, become

_OF_FILE_SYSTEMS = {"lost+found"}  # in the root of a new file system


def become_owner(folder: Path) -> None:
    """If this process is root, become the owner of `folder`. An empty folder of root is first given to USER.

    Raises SettingError.
    """
    if os.geteuid() != 0:
        return
    try:
        owner = folder.stat()
        user, group = owner.st_uid, owner.st_gid
        if user == 0:
            if set(os.listdir(folder)) - _OF_FILE_SYSTEMS:  # noqa: PTH208 - names are enough
                raise SettingError(
                    f"The folder {folder} belongs to root and isn't empty. Give it to user {USER}"
                    f" (chown -R {USER}:{GROUP} FOLDER), or start the container with --user."
                )
            user, group = USER, GROUP
            os.chown(folder, user, group)
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        become(user, group)
    except OSError as error:
        raise SettingError(
            f"The container may not change from root to user {user}: start it with --user {user}:{group}."
        ) from error


def check_writable(folder: Path) -> None:
    """Raise SettingError if this process can't create files in `folder`."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError) -> SettingError:
    user = f"{os.geteuid()}:{os.getegid()}"
    if isinstance(error, FileNotFoundError):
        return SettingError(f"The folder {folder} is missing. Mount one: docker run -v unbraid:{folder} …")
    if not isinstance(error, PermissionError):
        return SettingError(f"The container's user {user} can't use {folder}: {write_cause(error)}.")
    return SettingError(
        f"The container's user {user} may not write to {folder}. Give this user the folder"
        f" (chown -R {user} FOLDER), or start the container as its owner (--user)."
    )
