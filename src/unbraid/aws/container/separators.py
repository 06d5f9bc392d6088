"""Loaded models, shared by all threads of the container."""

from __future__ import annotations

import threading

from unbraid.jobs.choices import ALL
from unbraid.jobs.separators import Downloading, Loaded, Separators


class ThreadSafeSeparators(Separators):
    """Separators for any number of threads. One model is loaded at a time, and all threads that ask for it share it.

    A thread that works with an earlier model keeps that one in memory until it is done.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loading = threading.Lock()

    def get(self, name: str, downloading: Downloading | None = None, *, stems: str = ALL) -> Loaded:
        with self._loading:
            return super().get(name, downloading, stems=stems)
