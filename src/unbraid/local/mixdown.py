"""The current mix of a song's stems as one file, made in a process of its own: `python -m unbraid.local.mixdown`.

That process reads what to do from standard input, as JSON, and leaves 0 with the file in its place, or TOLD with a line
that says what was wrong. So the server stays small, doesn't parse what a stranger has brought, and stops a mix that
nobody waits for any more by ending its process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from unbraid.audio.formats import FORMATS
from unbraid.errors import OutputError, SettingError, UnbraidError

TOLD = 3  # the exit code of an error that standard error tells in a line; other codes are faults
LOUDEST = 2.0  # gain, +6 dB
NICE = 5  # the server answers first
FAILED = "The mix could not be made. Try again; if it stays so, tell whoever runs this app."

log = logging.getLogger(__name__)


async def mix(stems: Sequence[tuple[Path, float]], out: Path, format: str) -> None:
    """Write the sum of `stems`, (file, gain from 0 to 2) each, to `out` in `format`; quieter where it would clip.

    It appears whole or not at all, and cancelling ends the work. Raises SettingError, OutputError, and
    UnbraidError for a fault of ours.
    """
    heard = [(str(path), gain) for path, gain in stems if gain != 0]
    if not all(0 <= gain <= LOUDEST for _, gain in stems):
        raise SettingError(f"A stem's level goes from 0 to {LOUDEST:g}.", "gains")
    if not heard:
        raise SettingError("All stems are silent. Turn up at least one of them.", "gains")
    if format not in FORMATS:
        raise SettingError(f"There is no format {format!r}. Choose one of {', '.join(FORMATS)}.", "format")
    task = {"stems": heard, "out": str(out), "format": format, "parent": os.getpid()}
    isolated = ["-I"] if sys.flags.isolated else []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *isolated, "-m", "unbraid.local.mixdown"),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate(json.dumps(task).encode())
    except BaseException:
        with suppress(ProcessLookupError):
            process.terminate()  # it removes what it has written so far
        await process.wait()
        raise
    reason = said.decode("utf-8", "replace").strip()
    if process.returncode == TOLD:
        raise OutputError(reason)
    if process.returncode != 0:
        log.error("a mix ended with %d: %s", process.returncode, reason)
        raise UnbraidError(FAILED)


def main() -> int:
    """Do what standard input says; the exit code."""
    with suppress(OSError):
        os.nice(NICE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    task = json.load(sys.stdin)
    try:
        _write(
            [(Path(path), gain) for path, gain in task["stems"]],
            Path(task["out"]),
            task["format"],
            task["parent"],
        )
    except UnbraidError as error:
        sys.stderr.write(error.message + "\n")
        return TOLD
    return 0


def _write(stems: Sequence[tuple[Path, float]], out: Path, format: str, parent: int) -> None:
    # Only in this process, as they bring numpy and FFmpeg.
    from unbraid.audio.encode import Encoder
    from unbraid.audio.mixing import Mix
    from unbraid.jobs.disk import in_users_words, work_folder

    def wanted(_: object = None) -> None:
        if os.getppid() != parent:
            sys.exit(1)  # nobody waits any more

    with in_users_words(), work_folder(out.parent) as work:
        mixture = Mix(stems)
        mixture.measure(wanted)
        info = mixture.info
        with Encoder(
            work / out.name,
            sample_rate=mixture.sample_rate,
            channels=mixture.channels,
            format=format,
            tags=info.tags,
            cover=info.cover,
            cover_mime=info.cover_mime,
            samples=mixture.samples,
        ) as encoder:
            for block in mixture.blocks():
                wanted()
                encoder.write(block)
        (work / out.name).replace(out)


if __name__ == "__main__":
    sys.exit(main())
