"""Load a model from a checkpoint and its config, two files of another program.

NAME.ckpt, NAME.th, NAME.pt or NAME.safetensors     the weights
NAME.yaml or config_NAME.yaml                       the config; or the only config in the folder
"""

from __future__ import annotations

import re
from pathlib import Path

from unbraid.errors import ModelError
from unbraid.models.checkpoint_config import is_config
from unbraid.models.checkpoint_convert import convert_checkpoint
from unbraid.models.converted import LICENCE, checksum, folder_for, load_or_convert
from unbraid.models.folder import Model
from unbraid.models.published import CHECKPOINTS, MDX23C_FORM, ROFORMER_FORM

CONFIG_ENDINGS = (".yaml", ".yml")

DEMUCS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}\.th|\.safetensors)")  # names of published networks


def checkpoint_called(name: str, folder: Path) -> Path | None:
    """Return the checkpoint NAME.* in a folder if it has a config; None if there is none."""
    for ending in CHECKPOINTS:
        path = folder / f"{name}{ending}"
        if Path(name).name == name and path.is_file() and config_of(path) is not None:
            return path
    return None


def checkpoints_in(folder: Path) -> list[str]:
    """Return the names of all checkpoints with a config in a folder."""
    paths = (path for path in sorted(folder.iterdir()) if path.suffix in CHECKPOINTS)
    return list(dict.fromkeys(path.stem for path in paths if config_of(path) is not None))


def config_of(checkpoint: Path) -> Path | None:
    """Return the config of a checkpoint; None if there is none."""
    folder, stem = checkpoint.parent, checkpoint.stem
    for beginning in ("", "config_"):
        for ending in CONFIG_ENDINGS:
            if is_config(folder / f"{beginning}{stem}{ending}"):
                return folder / f"{beginning}{stem}{ending}"
    configs = [path for path in folder.iterdir() if path.suffix in CONFIG_ENDINGS and is_config(path)]
    checkpoints = [path for path in folder.iterdir() if path.suffix in CHECKPOINTS]
    return configs[0] if len(configs) == len(checkpoints) == 1 else None


def find_checkpoint(checkpoint: Path) -> Model:
    """Load the model of a checkpoint. Convert it into the user's cache the first time. Raises ModelError."""
    config = config_of(checkpoint)
    if config is None:
        if DEMUCS.fullmatch(checkpoint.name):
            raise ModelError(
                f"is a network of Demucs. Name its folder and its signature: --repo {checkpoint.parent} "
                f"-m {checkpoint.name[:8]}",
                subject=str(checkpoint),
            )
        raise ModelError(
            f"has no config. Put the YAML file that its publisher offers beside it, as {checkpoint.stem}.yaml.",
            subject=str(checkpoint),
        )
    sums = [checksum(checkpoint), checksum(config)]
    folder = folder_for([checkpoint.stem, *sums, ROFORMER_FORM, MDX23C_FORM])

    def convert() -> None:
        convert_checkpoint(
            checkpoint, config, folder, name=checkpoint.stem, version=sums[0][:8], licence=LICENCE
        )

    return load_or_convert(folder, convert)
