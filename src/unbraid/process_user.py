"""The user of this process. Songs are files of strangers, so no process of root reads one."""

from __future__ import annotations

import os

USER = GROUP = 1000
"""The user `unbraid` of the Dockerfile."""


def become(user: int, group: int) -> None:
    """Give up root's rights for good, and run as `user`. Raises OSError if that is forbidden."""
    # In this order: only root may change its groups.
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
