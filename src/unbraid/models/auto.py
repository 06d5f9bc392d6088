"""Decide which model `auto` and `fast` stand for.

Each takes the first model of its list that separates the wanted stems and is installed or can be downloaded. The last
one is bundled, so both work without a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from unbraid.errors import ModelError
from unbraid.models.catalog import catalog
from unbraid.models.download import OFFLINE, ONE_QUICK_TRY, DownloadProgress, offline
from unbraid.models.folder import Model
from unbraid.models.install import load_or_install
from unbraid.models.sources import DownloadError
from unbraid.models.unavailable import recall, remember

AUTO = "auto"
"""The best available model."""
FAST = "fast"
"""The best available model that is much faster than real time on two cores."""

_FAST_ORDER = ("spleeter", "spleeter_lite", "lite")
ORDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {AUTO: ("htdemucs", *_FAST_ORDER), FAST: _FAST_ORDER}
)
"""For each of these names, models from the best to the bundled one."""
FIRST_CHOICE = ORDERS[AUTO][0]


def candidates(stems: str | None = None, choice: str = AUTO) -> list[str]:
    """Return the models for `choice` that separate `stems`: a source, or all of them (None, or any other text)."""
    entries = catalog()
    every = entries[FIRST_CHOICE].sources
    needed = {stems} if stems in every else set(every)
    return [name for name in ORDERS[choice] if needed <= set(entries[name].sources)]


def expected_choice(stems: str | None = None, choice: str = AUTO) -> str:
    """Return the model that the next song will use for `choice`, if downloads that haven't failed yet succeed."""
    names = candidates(stems, choice)
    return next((name for name in names if not obstacle_of(name)), names[-1])


def installed_choice(stems: str | None = None, choice: str = AUTO) -> str:
    """Return the model for `choice` without a download."""
    names = candidates(stems, choice)
    return next((name for name in names if catalog()[name].installed), names[-1])


def load_choice(
    choice: str,
    progress: DownloadProgress | None,
    notice: Callable[[str], object] | None,
    stems: str | None = None,
) -> Model:
    """Load the model that `choice` stands for, after one quick try to download each better one that is missing.

    A download that failed within the last day isn't tried. `notice` receives one line if a weaker model than the first
    is used: which one, and why. `progress`: see `unbraid.models.find.find_model`.
    """
    *downloaded, bundled = names = candidates(stems, choice)
    failures: dict[str, str] = {}
    """Cause by model."""
    for name in downloaded:
        if obstacle := obstacle_of(name):
            for missing, cause in obstacle.items():
                failures.setdefault(missing, cause)
            continue
        try:
            model = load_or_install(catalog()[name], progress, notice, ONE_QUICK_TRY)
            break
        except DownloadError as error:
            failures[error.subject or name] = error.cause
        except ModelError as error:  # of this machine: the disk is full, the cache can't be written
            for missing in _missing(name):
                failures.setdefault(missing, error.message.rstrip("."))
                remember(missing, failures[missing], on_disk=False)
    else:
        model = load_or_install(catalog()[bundled], progress, notice, ONE_QUICK_TRY)
    if failures and notice is not None:
        names_of = f"The {'model' if len(failures) == 1 else 'models'} {' and '.join(failures)}"
        causes = "; ".join(dict.fromkeys(failures.values()))
        how = "far weaker" if model.name == bundled else "weaker"
        notice(
            f"{names_of} can't be downloaded: {causes}. Using {model.name} instead, which is {how}. "
            f"To get {names[0]}: unbraid models pull {names[0]}"
        )
    return model


def obstacle_of(name: str) -> Mapping[str, str]:
    """Return why the model `name` can't be installed, without trying a download: cause by model; empty if unknown."""
    missing = _missing(name)
    if missing and offline():
        return dict.fromkeys(missing, f"{OFFLINE} is set")
    return {one: cause for one in missing if (cause := recall(one))}


def _missing(name: str) -> list[str]:
    """Return the models that have to be downloaded for the model `name`: itself, or those of a bag."""
    entry = catalog()[name]
    return [one.name for one in (*entry.members, entry) if one.files and not one.installed]
