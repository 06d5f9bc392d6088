"""Teach a model in a training job of SageMaker, which runs the image with the command `train`.

SageMaker puts the material into /opt/ml/input/data. It restores /opt/ml/checkpoints on a new machine, and copies what
changes there to the bucket, and at the end /opt/ml/model ("How Amazon SageMaker AI Provides Training Information", "Use
checkpoints in Amazon SageMaker AI"). Events of the run are lines of JSON on standard output, which the command on the
user's machine reads from the log. They have no names of songs: the material has numbers.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unbraid.aws.training.bucket import REQUEST
from unbraid.aws.training.job import CHANNEL
from unbraid.aws.training.material import MODELS, SONGS
from unbraid.aws.training.result import MODEL
from unbraid.aws.training.run import FORMAT
from unbraid.errors import SettingError, UnbraidError
from unbraid.models.cache import INCLUDED
from unbraid.models.download import OFFLINE
from unbraid.models.own import FOLDER

ROOT = "/opt/ml"
ELSEWHERE = "UNBRAID_TRAINING"  # environment variable: another folder, for tests
PROGRESS_S = 5.0  # between two lines about progress
TOO_LITTLE_MEMORY = (
    "The graphics card of this machine has too little memory. Choose one with more, such as that of --instance "
    "ml.g5.xlarge."
)
LONGEST_FAILURE = 1000  # characters that SageMaker shows of the file `failure`


def main() -> int:
    """Teach the model that the material asks for, and return the exit code."""
    root = Path(os.environ.get(ELSEWHERE) or ROOT)
    # SageMaker sends SIGTERM two minutes before it takes a spot machine back. The run goes on, and its next checkpoint
    # is at most two minutes away. An exit could count as a failure, or as the end of the training.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        teach(root)
    except UnbraidError as error:
        return _fail(root, error.message)
    except Exception as error:
        traceback.print_exc()
        if type(error).__name__ == "OutOfMemoryError":  # PyTorch's, for graphics cards
            return _fail(root, TOO_LITTLE_MEMORY)
        return _fail(root, f"An error of this program ({type(error).__name__}).")
    return 0


def teach(root: Path) -> None:
    """Run or continue the training of the layout in `root`, and write its model. Raises UnbraidError."""
    from unbraid.finetuning.finetune import Request, finetune
    from unbraid.models.archive_export import export_models

    material = root / "input" / "data" / CHANNEL
    request = read_request(material / REQUEST)
    os.environ |= {OFFLINE: "1", INCLUDED: str(material / MODELS), FOLDER: str(material / MODELS)}
    name = request["name"]
    with tempfile.TemporaryDirectory() as place:
        result = finetune(
            Request(
                material / SONGS,
                name,
                base=request["base"],
                minutes=request["minutes"],
                steps=request["steps"],
                until_best=request["until_best"],
                seed=request["seed"],
                place=Path(place),
                run=root / "checkpoints" / "run",
            ),
            Events(),
        )
        os.environ[FOLDER] = str(result.folder.parent)
        (root / "model").mkdir(parents=True, exist_ok=True)
        export_models(root / "model" / MODEL, [name])


def read_request(path: Path) -> dict[str, Any]:
    """Read what the user asked for. Raises SettingError if another version of Unbraid wrote it."""
    request: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if request.get("format") != FORMAT:
        raise SettingError(
            "The app in AWS has another version than your machine. Update it with: ./unbraid deploy"
        )
    return request


class Events:
    """Writes the events of a run as lines of JSON, progress not too often."""

    def __init__(self) -> None:
        self._last = -PROGRESS_S

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write an event."""
        now = time.monotonic()
        if event["event"] == "progress":
            if now - self._last < PROGRESS_S:
                return
            self._last = now
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def _fail(root: Path, reason: str) -> int:
    """Write why the training failed to where SageMaker looks for it, and return the exit code."""
    sys.stderr.write(f"unbraid: {reason}\n")
    (root / "output").mkdir(parents=True, exist_ok=True)
    (root / "output" / "failure").write_text(reason[:LONGEST_FAILURE], "utf-8")
    return 1
