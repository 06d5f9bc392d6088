"""Which worker separates which song. A song whose worker is lost is tried again, with no other song beside it."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterable

from unbraid.cluster.storage import StoredSong

# A worker computes one song while it downloads or uploads another.
SONGS_PER_WORKER = 2
# Workers that a song may lose. The first may be the fault of the song beside it, or of the machine.
MOST_LOSSES = 5


class Schedule:
    """Songs that wait, and songs that workers have. A worker is whatever names it."""

    def __init__(self, songs: Iterable[StoredSong]) -> None:
        self._waiting = deque(songs)
        self._alone = deque[StoredSong]()
        self._losses = Counter[StoredSong]()
        self._running = defaultdict[Hashable, list[StoredSong]](list)

    @property
    def waiting(self) -> int:
        """Number of songs that no worker has."""
        return len(self._waiting) + len(self._alone)

    @property
    def running(self) -> int:
        """Number of songs that workers have."""
        return sum(len(songs) for songs in self._running.values())

    def next_for(self, worker: Hashable) -> StoredSong | None:
        """Give the worker a song, and return it; None: it has enough, or no song waits.

        Songs that lost a worker come last, and alone: a song that ends its worker again then harms no other.
        """
        songs = self._running[worker]
        if any(self._losses[song] for song in songs) or len(songs) == SONGS_PER_WORKER:
            return None
        if self._waiting:
            songs.append(self._waiting.popleft())
        elif self._alone and not songs:
            songs.append(self._alone.popleft())
        else:
            return None
        return songs[-1]

    def finish(self, worker: Hashable, song: StoredSong) -> None:
        """Take the song from the worker: it has an outcome."""
        self._running[worker].remove(song)

    def lose(self, worker: Hashable) -> list[StoredSong]:
        """Let the songs of a lost worker wait again. Return those that lost too many."""
        given_up = []
        for song in self._running.pop(worker, ()):
            self._losses[song] += 1
            if self._losses[song] > MOST_LOSSES:
                given_up.append(song)
            else:
                self._alone.append(song)
        return given_up
