"""The model that songs which are separated at the same time have in common."""

from __future__ import annotations

import threading

from unbraid.jobs.separators import Downloading, Loaded, Separators


class Shared(Separators):
    """Separators for any number of threads: one model is loaded at a time, and all who ask for it share it.

    Whoever works with another goes on with that one, which stays in memory until then.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loading = threading.Lock()

    def get(self, name: str, downloading: Downloading | None = None) -> Loaded:
        with self._loading:
            return super().get(name, downloading)
