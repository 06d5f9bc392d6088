"""Fetch the model of a finished job, and check and install it like any imported model."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

from unbraid.aws.training.bucket import RESULTS, Folder
from unbraid.aws.training.names import LOG_GROUP
from unbraid.errors import ModelError, SettingError, Unavailable
from unbraid.finetuning.result import Result, result_of
from unbraid.models.archive_import import LARGEST_MODEL, import_models
from unbraid.models.own import NOT_BETTER, own_folder, read_card
from unbraid.models.tar import CHUNK

MODEL = "model.tar"
"""The exported model in SageMaker's archive of the job's result, which is `model.tar.gz`."""
NO_MODEL = f"The job ended, but its result has no model. Its log in AWS says why: {LOG_GROUP}"


def fetch(folder: Folder, job: str, name: str, place: Path, kept: Path | None = None) -> Result:
    """Download the model of a job into the folder `kept`, or apart from its models if it isn't better.

    `kept`: None: the user's models. `place`: folder for the download. Raises ModelError, SettingError and Unavailable;
    the model in the bucket stays.
    """
    archive, models = place / "model.tar.gz", place / "models"
    folder.download(f"{RESULTS}{job}/output/model.tar.gz", archive)
    try:
        with tarfile.open(archive, "r:gz") as files:
            _extract(files, place / MODEL)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Unavailable(NO_MODEL) from error
    archive.unlink()
    models.mkdir()
    for imported in import_models(place / MODEL, own=models):
        if imported.problem is not None or imported.name != name:
            raise ModelError(
                imported.problem or f"The job returned the model {imported.name} instead of {name}."
            )
    found = result_of(models / name, read_card(models / name))
    return replace(found, folder=_keep(models / name, kept or own_folder(), found.better))


def _keep(model: Path, kept: Path, better: bool) -> Path:
    """Move a model to its place in `kept`, and return that. Raises SettingError if the name is taken."""
    place = (kept if better else kept / NOT_BETTER) / model.name
    place.parent.mkdir(parents=True, exist_ok=True)
    if not better:
        shutil.rmtree(place, ignore_errors=True)
    elif place.exists():
        raise SettingError(
            f"You have a model {model.name} already. Rename its folder, and repeat the command: {place}"
        )
    return Path(shutil.move(model, place))


def _extract(files: tarfile.TarFile, target: Path) -> None:
    """Write the exported model to `target`, at most as large as any model. Raises Unavailable."""
    for member in files:
        if member.isfile() and Path(member.name).name == MODEL and member.size <= 2 * LARGEST_MODEL:
            content = files.extractfile(member)
            assert content is not None
            with content, target.open("wb") as file:
                shutil.copyfileobj(content, file, CHUNK)
            return
    raise Unavailable(NO_MODEL)
