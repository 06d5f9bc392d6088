"""The entry point of the image: `python -m unbraid.container COMMAND`.

`app` runs the web app, and `worker` separates the songs of an app on another machine. `serve` runs the server of an
inference endpoint, `function` the runtime of AWS Lambda, and `train` a training job of SageMaker.
`health` exits with 0 if the server in the same container is ready.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

IMAGE_MODELS = "UNBRAID_IMAGE_MODELS"  # environment variable: models that the image's build has downloaded
MODELS_FOLDER = "/opt/models"
ALWAYS_OFFERED = "auto fast lite"  # beside them


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="unbraid.container", description=__doc__)
    parser.add_argument("command", choices=("app", "worker", "serve", "function", "train", "health"))
    command: str = parser.parse_args(arguments).command
    # Imported here: each command needs other libraries.
    if command == "app":
        from unbraid.container.app import run_app

        return run_app()
    if command == "worker":
        from unbraid.container.app import run_worker

        return run_worker()
    if command == "health":
        from unbraid.container.health import is_healthy

        return 0 if is_healthy() else 1
    if command == "train":
        from unbraid.aws.container.train import main as train

        return train()
    return _infer(command)


def _infer(command: str) -> int:
    """Run the server of an endpoint, or the function. They offer the image's models and download no others."""
    defaults = {
        "UNBRAID_CACHE": MODELS_FOLDER,
        "UNBRAID_OFFLINE": "1",
        "UNBRAID_MODELS": f"{ALWAYS_OFFERED} {os.environ.get(IMAGE_MODELS, '')}".rstrip(),
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    from unbraid.aws.container.__main__ import main as infer

    return infer([command])


if __name__ == "__main__":
    sys.exit(main())
