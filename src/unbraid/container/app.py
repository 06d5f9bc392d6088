"""The commands `app` and `worker`: `unbraid serve` and `unbraid worker` in a container, with all data in one folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from unbraid.container.data_folder import become_owner, check_writable
from unbraid.errors import UnbraidError

DATA = "/data"
HOST, PORT = "0.0.0.0", "8000"


def run_app() -> int:
    """Run the app, for everyone on the network, until a signal arrives; return the exit code."""
    # As options, so that no .env file changes them: `health` and the container's ports depend on them.
    return _run("serve", "--host", _setting("UNBRAID_HOST", HOST), "--port", _setting("UNBRAID_PORT", PORT))


def run_worker() -> int:
    """Separate the songs of an app on another machine until a signal arrives; return the exit code."""
    return _run("worker")


def _run(command: str, *options: str) -> int:
    data = Path(_setting("UNBRAID_DATA", DATA))
    try:
        become_owner(data)  # before the server and its libraries are loaded
        check_writable(data)
    except UnbraidError as error:
        sys.stderr.write(f"unbraid: {error.message}\n")
        return 1
    os.environ["UNBRAID_CACHE"] = _setting("UNBRAID_CACHE", str(data / "cache"))
    os.environ["UNBRAID_OWN_MODELS"] = _setting("UNBRAID_OWN_MODELS", str(data / "models"))
    from unbraid.cli.main import main

    return main([command, "--data", str(data), *options])


def _setting(name: str, default: str) -> str:
    """An environment variable. An empty one counts as unset."""
    return os.environ.get(name) or default
