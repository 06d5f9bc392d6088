"""Copies of the files of kept and of shared songs, under `kept/ID/`.

The lifecycle rules of a bucket delete uploads and stems some days after they were written, but no such copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from unbraid.errors import SessionNotFound
from unbraid.jobs.messages import SONG_GONE
from unbraid.jobs.ports import ObjectStore
from unbraid.jobs.session import Output

KEPT = "kept"
"""First part of the keys."""
AT_ONCE = 8


def kept_key(key: str, session_id: str) -> str:
    """Return the key of the copy of a file, for the session of this id."""
    return f"{KEPT}/{session_id}/{key.rpartition('/')[2]}"


def kept_outputs(outputs: Iterable[Output], session_id: str) -> tuple[Output, ...]:
    """Return the records of the copies of output files."""

    def copied(key: str | None) -> str | None:
        return None if key is None else kept_key(key, session_id)

    return tuple(
        replace(
            output,
            key=kept_key(output.key, session_id),
            peaks_key=copied(output.peaks_key),
            play_key=copied(output.play_key),
        )
        for output in outputs
    )


def keys_of(outputs: Iterable[Output]) -> Iterator[str]:
    """Yield the keys of all files of these outputs."""
    for output in outputs:
        yield from (key for key in (output.key, output.peaks_key, output.play_key) if key is not None)


def copy_files(objects: ObjectStore, keys: Iterable[str], session_id: str) -> None:
    """Copy files to `kept/`, several at a time. Raises SessionNotFound if one is gone, OutputError."""

    def copy(key: str) -> None:
        try:
            objects.copy(key, kept_key(key, session_id))
        except FileNotFoundError as error:
            raise SessionNotFound(SONG_GONE) from error

    missing = [key for key in keys if key != kept_key(key, session_id)]  # the others are copies already
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="copy") as pool:
        list(pool.map(copy, missing))  # waits for all, and raises their exceptions here
