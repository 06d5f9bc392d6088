"""Decide which model `auto` stands for.

`auto` takes the first model of `ORDER` that separates the wanted stems and is installed or can be downloaded. The last
one is bundled, so `auto` works without a network.
"""

from __future__ import annotations

from collections.abc import Callable

from unbraid.errors import ModelError
from unbraid.models.catalog import catalog
from unbraid.models.download import ONE_QUICK_TRY, DownloadError, DownloadProgress
from unbraid.models.folder import Model, load_model_folder
from unbraid.models.install import load_or_install

AUTO = "auto"
ORDER = ("htdemucs", "spleeter", "lite")
"""Names from the best model to the bundled one."""
FIRST_CHOICE = ORDER[0]


def candidates(stems: str | None = None) -> list[str]:
    """Return the names of ORDER that separate `stems`: a source, or all of them (None, or any other text)."""
    entries = catalog()
    every = entries[FIRST_CHOICE].sources
    needed = {stems} if stems in every else set(every)
    return [name for name in ORDER if needed <= set(entries[name].sources)]


def installed_choice(stems: str | None = None) -> str:
    """Return the name of the model that `auto` takes for `stems` without a download."""
    names = candidates(stems)
    return next((name for name in names if catalog()[name].installed), names[-1])


def load_auto(
    progress: DownloadProgress | None, notice: Callable[[str], object] | None, stems: str | None = None
) -> Model:
    """Load the model that `auto` stands for, after one quick try to download each better one that is missing.

    `notice` receives one line if `auto` falls back to a weaker model: which one, and why. `progress`: see
    `unbraid.models.find.find_model`.
    """
    *downloaded, bundled = candidates(stems)
    failures: list[str] = []
    for name in downloaded:
        try:
            model = load_or_install(catalog()[name], progress, notice, ONE_QUICK_TRY)
            break
        except ModelError as error:
            reason = error.summary if isinstance(error, DownloadError) else error.message.rstrip(".")
            failures.append(reason)
    else:
        model = load_model_folder(catalog()[bundled].place)
    if failures and notice is not None:
        how = "far weaker" if model.name == bundled else "weaker"
        notice(
            f"{'. '.join(failures)}. Using {model.name} instead, which is {how}. "
            f"To get {FIRST_CHOICE}: unbraid models pull {FIRST_CHOICE}"
        )
    return model
