"""Mix a song's stems into one file, in a process of its own: `python -m unbraid.local.mixdown`.

The process reads its task from standard input as JSON. It exits with 0 if the file is complete, or with USER_ERROR and
a line on standard error. In its own process, a mix doesn't add to the server's memory, strangers' files aren't parsed
in the server, and a mix that is no longer needed stops with its process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from unbraid.audio.formats import FORMATS, deepest_subtype
from unbraid.errors import OutputError, SettingError, UnbraidError

USER_ERROR = 3  # exit code: standard error has one line for the user; other codes are internal errors
MAX_GAIN = 2.0  # +6 dB
NICE = 5  # the server has priority
FAILED = "The mix failed. Try again; if it happens again, tell the administrator."

log = logging.getLogger(__name__)


async def mix(stems: Sequence[tuple[Path, float]], out: Path, format: str, video: Path | None = None) -> Path:
    """Write the sum of `stems`, (file, gain from 0 to 2) each, as `out` in `format`; quieter if it would clip.

    With `video`, write its pictures with this sound instead; the suffix of `out` is then that of a video that can have
    the pictures. Return the path of the file.

    The file is written atomically; cancelling stops the work. Raises SettingError, OutputError, and UnbraidError for an
    internal error.
    """
    audible = [(str(path), gain) for path, gain in stems if gain != 0]
    if not all(0 <= gain <= MAX_GAIN for _, gain in stems):
        raise SettingError(f"A stem's level goes from 0 to {MAX_GAIN:g}.", "gains")
    if not audible:
        raise SettingError("All stems are silent. Turn up at least one of them.", "gains")
    if video is None and format not in FORMATS:
        raise SettingError(f"There is no format {format!r}. Choose one of {', '.join(FORMATS)}.", "format")
    task = {
        "stems": audible,
        "out": str(out),
        "format": format,
        "video": None if video is None else str(video),
        "parent": os.getpid(),
    }
    isolated = ["-I"] if sys.flags.isolated else []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *isolated, "-m", "unbraid.local.mixdown"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        stdout, stderr = await process.communicate(json.dumps(task).encode())
    except BaseException:
        with suppress(ProcessLookupError):
            process.terminate()  # it removes its unfinished file
        await process.wait()
        raise
    reason = stderr.decode("utf-8", "replace").strip()
    if process.returncode == USER_ERROR:
        raise OutputError(reason)
    if process.returncode != 0:
        log.error("a mix failed with exit code %d: %s", process.returncode, reason)
        raise UnbraidError(FAILED)
    return out.with_name(stdout.decode("utf-8").strip())


def main() -> int:
    """Run the task on standard input; return the exit code."""
    with suppress(OSError):
        os.nice(NICE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    task = json.load(sys.stdin)
    try:
        stems, out, video = (
            [(Path(path), gain) for path, gain in task["stems"]],
            Path(task["out"]),
            task["video"],
        )
        if video is None:
            _write(stems, out, task["format"], task["parent"])
        else:
            out = _write_video(stems, out, Path(video), task["parent"])
        sys.stdout.write(out.name)
    except UnbraidError as error:
        sys.stderr.write(error.message + "\n")
        return USER_ERROR
    return 0


def _write(stems: Sequence[tuple[Path, float]], out: Path, format: str, parent: int) -> None:
    # Imported here: the server imports this module too, and doesn't need numpy and FFmpeg.
    from unbraid.audio.encode import Encoder
    from unbraid.audio.mixing import Mix
    from unbraid.jobs.disk import hide_folders, work_folder

    stop_if_orphaned = _stop_if_orphaned(parent)
    with hide_folders(), work_folder(out.parent) as work:
        mixture = Mix(stems)
        mixture.measure(stop_if_orphaned)
        info = mixture.info
        with Encoder(
            work / out.name,
            sample_rate=mixture.sample_rate,
            channels=mixture.channels,
            format=format,
            subtype=deepest_subtype(format, info.depth),
            tags=info.tags,
            samples=mixture.samples,
        ) as encoder:
            for block in mixture.blocks():
                stop_if_orphaned()
                encoder.write(block)
        (work / out.name).replace(out)


def _write_video(stems: Sequence[tuple[Path, float]], out: Path, video: Path, parent: int) -> Path:
    from unbraid.audio.mixing import Mix
    from unbraid.audio.video import write_video
    from unbraid.jobs.disk import hide_folders, work_folder

    stop_if_orphaned = _stop_if_orphaned(parent)
    with hide_folders(), work_folder(out.parent) as work:
        mixture = Mix(stems)
        mixture.measure(stop_if_orphaned)
        written = write_video(video, mixture, work / out.stem, check=stop_if_orphaned)
        return written.replace(out.with_suffix(written.suffix))


def _stop_if_orphaned(parent: int) -> Callable[..., None]:
    """Return a function that ends the process if the server, whose process id is `parent`, has ended."""

    def stop(_: object = None) -> None:
        if os.getppid() != parent:
            sys.exit(1)

    return stop


if __name__ == "__main__":
    sys.exit(main())
