"""The user that the server runs as.

SageMaker expects containers to start as root ("How SageMaker AI Runs Your Inference Image"). Songs are files of
strangers, so the server gives up these rights before it reads the first one.
"""

from __future__ import annotations

import os

from unbraid.process_user import GROUP, USER, become


def drop_root() -> None:
    """Become USER for good if this process is root; otherwise keep its user. Raises OSError if that is forbidden."""
    if os.geteuid() == 0:
        become(USER, GROUP)
