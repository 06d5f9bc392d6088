"""Keep one loaded model from one song to the next. Only one, because some models take two gigabytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from unbraid.cores import usable_cores
from unbraid.jobs.choices import ALL
from unbraid.models.auto import AUTO, FIRST_CHOICE
from unbraid.separation import Separator

# If `auto` fell back to another model because a download failed, it tries again after this time.
RETRY_AUTO_S = 600.0

Downloading = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A Separator, and the notices from loading it, one line each."""

    separator: Separator
    notices: tuple[str, ...]


class Separators:
    """Loads Separators by model name. Not thread-safe.

    `sharing` is the number of processes that share the cores; `threads` is this process's part.
    """

    def __init__(self, sharing: int = 1) -> None:
        self.threads = max(1, usable_cores() // sharing)
        self._name, self._stems = "", ""
        self._loaded: Loaded | None = None
        self._until = float("inf")

    def get(self, name: str, downloading: Downloading | None = None, *, stems: str = ALL) -> Loaded:
        """Return the model `name`, downloaded if necessary. Raises the errors of Separator.

        For `auto`, a model that separates `stems` (`all` or one).

        `downloading` receives the bytes done and in total; it may raise to stop the download.
        """
        fell_back = self._until < float("inf")
        if (
            self._loaded is None
            or name != self._name
            or (fell_back and stems != self._stems)
            or time.monotonic() > self._until
        ):
            self.forget()  # first, because two models may not fit into memory
            notices: list[str] = []
            separator = Separator(
                name, threads=self.threads, for_stems=stems, notice=notices.append, downloading=downloading
            )
            self._name, self._stems, self._loaded = name, stems, Loaded(separator, tuple(notices))
            fell_back = name == AUTO and separator.model.name != FIRST_CHOICE
            self._until = time.monotonic() + RETRY_AUTO_S if fell_back else float("inf")
        return self._loaded

    def forget(self) -> None:
        """Unload the model."""
        self._loaded = None
