"""Check a folder of songs before training: what can be used, how much there is, and what to expect from it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unbraid.errors import InputError
from unbraid.evaluation.multitrack import display_order, find_songs, is_song
from unbraid.finetuning.songs import Song, read_song
from unbraid.finetuning.spool import Spool

HELD_OUT = 0.2  # share of the songs that only score the result
MOST_HELD_OUT = 6
LITTLE_MIN, ENOUGH_MIN, PLENTY_MIN = 5, 15, 60


@dataclass
class Check:
    """All songs of a folder, the stems that they share, and the songs that are held out of training."""

    songs: list[Song]
    stems: tuple[str, ...]
    """Names of the stems, in display order; empty if no song can be used."""
    held_out: tuple[str, ...] = ()
    """Names of the songs that only score the result. With a single song, it is its last quarter."""
    left_out: list[str] = field(default_factory=list)
    """Lines about files and folders that are not songs."""

    @property
    def used(self) -> list[Song]:
        """Songs that can be used."""
        return [song for song in self.songs if song.problem is None]

    @property
    def minutes(self) -> float:
        """Length of all songs that can be used, in minutes."""
        return sum(song.seconds for song in self.used) / 60

    def audible_min(self, stem: str) -> float:
        """Return the minutes in which a stem is not silent."""
        return sum(song.stems[stem].audible_s for song in self.used) / 60

    @property
    def problem(self) -> str | None:
        """Why nothing can be learnt from the songs; None if training can start."""
        if not self.used:
            return "No song can be used. Correct the problems above."
        silent = [stem for stem in self.stems if self.audible_min(stem) == 0]
        if silent:
            return f"{', '.join(silent)}: silent in all songs. Export {'it' if len(silent) == 1 else 'them'} again."
        if self.minutes < 1:
            return "All songs together are shorter than a minute. Add more songs."
        return None

    def expectation(self) -> list[str]:
        """Return what to expect, in a musician's words. The rarest stem decides."""
        rarest = min(self.stems, key=self.audible_min)
        minutes = self.audible_min(rarest)
        if minutes < LITTLE_MIN:
            lines = [
                f"Very little: {minutes:.1f} minutes of {rarest}. The model will mostly learn these songs by heart."
            ]
        elif minutes < ENOUGH_MIN:
            lines = [
                f"{minutes:.0f} minutes of {rarest}: enough for one voice or instrument that always sounds alike. "
                "More songs help more than more training."
            ]
        elif minutes < PLENTY_MIN:
            lines = [f"{minutes:.0f} minutes of {rarest}: good for one band, one singer or one drum kit."]
        else:
            lines = [f"{minutes:.0f} minutes of {rarest}: plenty."]
        if len(self.used) == 1:
            lines.append("Only one song: its last quarter scores the result. Other songs may gain less.")
        return lines


def check_songs(
    path: Path,
    spool: Spool | None = None,
    seen: Callable[[int, int, Song], object] | None = None,
) -> Check:
    """Read all songs at `path`; see `read_song`. `seen` receives the number so far, the number of all, and the song.

    Songs whose stems have other names than those of most songs get a problem. Raises InputError if there are no songs.
    """
    paths = list(find_songs(path).values())
    songs = []
    for number, one in enumerate(paths, 1):
        songs.append(read_song(one, spool))
        if seen is not None:
            seen(number, len(paths), songs[-1])
    stems = common_stems(songs)
    for song in songs:
        if song.problem is None and set(song.stems) != set(stems):
            song.problem = _other_names(song, stems)
    check = Check(songs, stems, left_out=list(_left_out(path, paths)))
    check.held_out = _held_out(check.used, stems)
    return check


def common_stems(songs: Iterable[Song]) -> tuple[str, ...]:
    """Return the names of stems that most songs have. Of equally many songs, the longer ones decide."""
    seconds: Counter[frozenset[str]] = Counter()
    number: Counter[frozenset[str]] = Counter()
    for song in songs:
        if song.problem is None:
            number[frozenset(song.stems)] += 1
            seconds[frozenset(song.stems)] += round(song.seconds)
    if not number:
        return ()
    most = max(number, key=lambda names: (number[names], seconds[names], sorted(names)))
    return tuple(display_order(most))


def _other_names(song: Song, stems: Sequence[str]) -> str:
    """Return the line for a song whose stems are named differently."""
    missing = [stem for stem in stems if stem not in song.stems]
    extra = [stem for stem in song.stems if stem not in stems]
    close = {name: difflib.get_close_matches(name, missing, 1, 0.6) for name in extra}
    renames = [f"{name} to {found[0]}" for name, found in close.items() if found]
    if renames:
        return f"{song.name} has stems with other names than the other songs. Rename {', '.join(renames)}."
    if missing:
        return f"{song.name} has no {', '.join(missing)}, unlike the other songs. Add a silent file if it isn't played."
    return f"{song.name} also has {', '.join(extra)}, unlike the other songs. Mix it into another stem, or remove it."


def _left_out(path: Path, songs: Sequence[Path]) -> Iterable[str]:
    """Yield lines about visible entries of a folder of songs that are not songs."""
    if is_song(path):
        return
    for entry in sorted(path.iterdir()):
        if entry.name.startswith(".") or entry in songs:
            continue
        if entry.is_dir():
            yield f"{entry.name} has no stems: no audio files are in it."
        elif entry.suffix.lower() in (".zip", ".rar", ".7z", ".als", ".logicx", ".mp4"):
            yield f"{entry.name} is not a folder of stems. Unpack or export it."


def _held_out(songs: Sequence[Song], stems: Sequence[str]) -> tuple[str, ...]:
    """Choose songs of medium length, with all stems if possible, spread over the list of names."""
    if len(songs) < 2:
        return ()
    number = min(MOST_HELD_OUT, max(1, round(HELD_OUT * len(songs))))
    complete = [song for song in songs if len(song.audible) == len(stems)]
    candidates = complete if len(complete) >= number else list(songs)
    step = len(candidates) / number
    return tuple(candidates[int((k + 0.5) * step)].name for k in range(number))


def require(check: Check) -> None:
    """Raise InputError if nothing can be learnt from the songs."""
    if check.problem is not None:
        raise InputError(check.problem)
