"""Keep one loaded model from one song to the next. Only one, because some models take two gigabytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unbraid.cores import usable_cores
from unbraid.jobs.available import AvailableModels
from unbraid.jobs.choices import ALL
from unbraid.models.questions import BALANCED
from unbraid.separation import Separator

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
        self._key = ("", "")
        self._loaded: Loaded | None = None

    def get(
        self,
        name: str,
        downloading: Downloading | None = None,
        *,
        stems: str = ALL,
        quality: str | None = None,
    ) -> Loaded:
        """Return the model `name`, downloaded if necessary. Raises the errors of Separator.

        For `auto` and the like, the best available model that separates `stems` (`all` or one). So a loaded model is
        replaced if a better one was installed since, or if the memory of its failed download has ended. `quality`: of
        a model that was named; see Separator.

        `downloading` receives the bytes done and in total; it may raise to stop the download.
        """
        used = AvailableModels().used(name, stems)
        key = (name, quality or BALANCED)
        if self._loaded is None or key != self._key or used != self._loaded.separator.model.name:
            self.forget()  # first, because two models may not fit into memory
            notices: list[str] = []
            separator = Separator(
                name,
                threads=self.threads,
                quality=quality or BALANCED,
                for_stems=stems,
                notice=notices.append,
                downloading=downloading,
            )
            self._key, self._loaded = key, Loaded(separator, tuple(notices))
        return self._loaded

    def forget(self) -> None:
        """Unload the model."""
        self._loaded = None
