"""What this machine knows of a training in AWS, so that the same command takes it up again."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unbraid.aws.training.deployment import Deployment
from unbraid.aws.training.names import FOLDER
from unbraid.errors import SettingError
from unbraid.files.atomic import atomic_write
from unbraid.finetuning.finetune import RUNS
from unbraid.models.cache import locked
from unbraid.models.own import check_name, own_folder

STATE = "state.json"


@dataclass
class State:
    """A training, from the upload of its songs to the end of its job."""

    account: str
    region: str
    deployment: str
    settings: dict[str, Any]
    """What the user asked for; a command with other settings is another training."""
    files: list[list[Any]]
    """Path and size of each file of the songs."""
    base: str
    """Name of the model to begin with, in the training."""
    instance: str
    spot: bool
    usd: float
    """Price of an hour, on demand."""
    most_hours: int
    volume_gb: int
    keep_image: bool
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    build: str | None = None
    """Id of the build of the image that was started."""
    jobs: int = 0
    """Number of jobs so far. A new one continues a training that AWS stopped."""
    running: bool = False
    """Whether the last job was created, and its end not seen yet."""

    @property
    def prefix(self) -> str:
        """Folder of all objects of the training in the bucket."""
        return f"{FOLDER}/{self.id}/"

    @property
    def job(self) -> str:
        """Name of the current job. SageMaker keeps the names of jobs for good, so it says nothing about the music."""
        return f"{self.deployment}-{self.id}-{self.jobs}"

    def check_place(self, deployment: Deployment) -> None:
        """Raise SettingError unless the training is in this deployment."""
        here = (deployment.account, deployment.region, deployment.name)
        if here != (self.account, self.region, self.deployment):
            raise SettingError(
                f"This training is in account {self.account}, region {self.region}, deployment {self.deployment}. Your "
                f"command is for account {here[0]}, region {here[1]}, deployment {here[2]}."
            )

    def save(self, name: str) -> None:
        """Write the state of the training of the model `name`."""
        folder = folder_of(name)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / STATE) as file:
            file.write(json.dumps(asdict(self), indent=1).encode())


def folder_of(name: str) -> Path:
    """Return the folder of the training of a model in AWS. No model can have this name."""
    return own_folder() / RUNS / f"{name}.aws"


@contextmanager
def alone(name: str, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold the lock of the training of a model. While another process has it, `waiting` is called; it may raise.

    Raises SettingError for a name that no model can have.
    """
    check_name(name)
    folder = folder_of(name)
    with locked(folder, waiting):
        yield
    if not folder.exists():
        with suppress(OSError):
            folder.with_name(f".{folder.name}.lock").unlink()
            folder.parent.rmdir()


def load_state(name: str) -> State | None:
    """Return the state of the training of a model; None if there is none. Raises SettingError if it is unreadable."""
    path = folder_of(name) / STATE
    try:
        return State(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise SettingError(
            "can't be read. Remove its folder. The bucket deletes the songs of that training within a week.",
            subject=str(path),
        ) from error
