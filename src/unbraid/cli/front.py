"""Several songs are under way at once; the user sees one after the other."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from unbraid.cli.progress import Display

if TYPE_CHECKING:
    from unbraid.separation.progress import Progress


class Front:
    """Shows the song that is in front on `display`; of the others it remembers how far they are. For any threads."""

    def __init__(self, display: Display, count: int) -> None:
        self._display, self._count = display, count
        self._lock = Lock()
        self._shown: int | None = None
        self._reached: dict[int, float] = {}

    def start(self, number: int, name: str) -> None:
        """Show song `number` (from 1) from now on, beginning with what it has reached."""
        with self._lock:
            self._shown = number
            self._display.start(name, number, self._count, self._reached.pop(number, 0.0))

    def update(self, number: int, progress: Progress) -> None:
        """Song `number` got further."""
        with self._lock:
            if number == self._shown:
                self._display.update(progress)
            else:
                self._reached[number] = progress.fraction

    def clear(self) -> None:
        """Show no song until the next starts."""
        with self._lock:
            self._shown = None
            self._display.clear()
