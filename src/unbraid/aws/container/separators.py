"""Loaded models, shared by all threads of the container."""

from __future__ import annotations

import threading

from unbraid.jobs.available import AvailableModels
from unbraid.jobs.choices import ALL
from unbraid.jobs.separators import Downloading, Loaded, Separators
from unbraid.models.download import offline


class ThreadSafeSeparators(Separators):
    """Separators for any number of threads. One model is loaded at a time, and all threads that ask for it share it.

    A thread that works with an earlier model keeps that one in memory until it is done.

    The image has the models that the deployment chose, and downloads none. So `auto` and `fast` are replaced by the
    model that they stand for: songs get no notice that a better one is missing, and share the loaded one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loading = threading.Lock()

    def get(
        self,
        name: str,
        downloading: Downloading | None = None,
        *,
        stems: str = ALL,
        quality: str | None = None,
    ) -> Loaded:
        if offline():
            name = AvailableModels().used(name, stems)
        with self._loading:
            return super().get(name, downloading, stems=stems, quality=quality)
