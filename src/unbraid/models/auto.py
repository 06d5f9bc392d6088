"""Decide which model `auto` stands for.

`auto` takes the first model of `ORDER` that is installed or can be downloaded. The last one is bundled, so `auto`
works without a network.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from unbraid.errors import ModelError
from unbraid.models.catalog import catalog
from unbraid.models.download import ONE_QUICK_TRY, DownloadError, DownloadProgress
from unbraid.models.folder import Model, load_model_folder
from unbraid.models.install import load_or_install

AUTO = "auto"
ORDER = ("htdemucs", "lite")
"""Names from the best model to the bundled one."""
FIRST_CHOICE = ORDER[0]


def installed_choice() -> str:
    """Return the name of the model that `auto` takes without a download."""
    return next((name for name in ORDER if catalog()[name].installed), ORDER[-1])


def load_auto(progress: DownloadProgress | None, notice: Callable[[str], object] | None) -> Model:
    """Load the model that `auto` stands for, after one quick try to download each that is missing.

    `notice` receives a line if `auto` falls back to a weaker model. `progress`: see
    `unbraid.models.find.find_model`.
    """
    for name, weaker in pairwise(ORDER):
        try:
            return load_or_install(catalog()[name], progress, notice, ONE_QUICK_TRY)
        except ModelError as error:
            if notice is not None:
                reason = error.summary if isinstance(error, DownloadError) else error.message.rstrip(".")
                notice(
                    f"{reason}. Using {weaker} instead, which is far weaker. To get {name}: unbraid models pull {name}"
                )
    return load_model_folder(catalog()[ORDER[-1]].place)
