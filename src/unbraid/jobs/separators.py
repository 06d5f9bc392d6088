"""Loaded models, kept from one song to the next; one at a time, as some take two gigabytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from unbraid.cores import usable_cores
from unbraid.models.auto import AUTO, FIRST_CHOICE
from unbraid.separation import Separator

# So long `auto` stays with what it came to because of a network that didn't answer; then it is tried again.
TRY_AGAIN_S = 600.0

Downloading = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A Separator, and what was said while it was loaded, a line each."""

    separator: Separator
    notices: tuple[str, ...]


class Separators:
    """Gives a Separator for the name of a model. For one thread at a time.

    `sharing` processes have the processor's cores between them; `threads` is what that leaves to this one.
    """

    def __init__(self, sharing: int = 1) -> None:
        self.threads = max(1, usable_cores() // sharing)
        self._name = ""
        self._loaded: Loaded | None = None
        self._until = float("inf")

    def get(self, name: str, downloading: Downloading | None = None) -> Loaded:
        """The model `name`, downloaded if need be. `downloading` is told bytes done and in all, and may raise to stop.

        Raises ModelError, SettingError and UnbraidError as Separator does.
        """
        if self._loaded is None or name != self._name or time.monotonic() > self._until:
            self.forget()  # before the next is loaded: both may not fit
            notices: list[str] = []
            separator = Separator(name, threads=self.threads, notice=notices.append, downloading=downloading)
            self._name, self._loaded = name, Loaded(separator, tuple(notices))
            instead = name == AUTO and separator.model.name != FIRST_CHOICE
            self._until = time.monotonic() + TRY_AGAIN_S if instead else float("inf")
        return self._loaded

    def forget(self) -> None:
        """Release what is loaded."""
        self._loaded = None
