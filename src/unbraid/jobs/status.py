"""The status of a session as users see it: progress, estimate, and links to its files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unbraid.audio.stem_names import STEM_ENDING, STEM_FILE
from unbraid.jobs.media import is_video
from unbraid.jobs.ports import Links
from unbraid.jobs.queue_snapshot import Wait
from unbraid.jobs.session import Output, Session, State


@dataclass(frozen=True, slots=True)
class FileLink:
    """One output file of a session, with links that expire."""

    type: str
    filename: str
    """Name in the API: `vocals.wav`."""
    save_as: str
    """Name under which browsers save it: `Song - vocals.wav`."""
    key: str
    url: str
    size: int
    duration_s: float
    peaks_url: str | None
    play_url: str | None
    stem: str | None = None
    """Stem that it is a part of; None: it was separated from the song."""


@dataclass(frozen=True, slots=True)
class Status:
    """A session with its estimate, place in the queue, and links."""

    session: Session
    wait: Wait
    files: tuple[FileLink, ...]
    zip_name: str
    """Name under which browsers save the archive of all files."""
    video_url: str | None
    """Link to a video with the picture of the song; None: it has none."""
    splits: tuple[Status, ...] = ()
    """Of the stems that are separated further."""


def title(session: Session) -> str:
    """Return the song's name without its extension."""
    name, dot, _ = session.file_name.rpartition(".")
    return name if dot and name else session.file_name


def ending(session: Session) -> str:
    """Return the extension of the song's name with its dot; empty without one."""
    return session.file_name[len(title(session)) :]


def with_parts(session: Session, splits: Iterable[Session]) -> tuple[Output, ...]:
    """Return the outputs of a session, then those of the sessions that separate its stems."""
    return (*session.outputs, *(output for split in splits for output in split.outputs))


def _video_key(session: Session) -> str | None:
    """Return the key of a video with the picture of the song: the upload, or the video of a share link."""
    if session.state != State.COMPLETED or session.parent is not None:
        return None
    if session.shared_from is None:
        return session.song_key if is_video(session.file_name, session.file_type) else None
    return next((output.key for output in session.outputs if output.type == "video"), None)


def status_of(
    session: Session,
    links: Links,
    link_s: int,
    wait: Wait,
    splits: tuple[Status, ...] = (),
) -> Status:
    """Return the status, with links that expire after `link_s` seconds. `splits` are of stems separated further."""

    def url(key: str | None) -> str | None:
        return None if key is None else links.download_url(key, link_s)

    def link(output: Output) -> FileLink:
        of_song = f"{title(session)}{STEM_ENDING}"
        save_as = of_song if output.type == STEM_FILE else f"{title(session)} - {output.filename}"
        return FileLink(
            output.type,
            output.filename,
            save_as,
            output.key,
            links.download_url(output.key, link_s, save_as),
            output.size,
            output.duration_s,
            url(output.peaks_key),
            url(output.play_key),
            session.stem,
        )

    return Status(
        session,
        wait,
        (*map(link, session.outputs), *(file for split in splits for file in split.files)),
        f"{title(session)} - stems.zip",
        url(_video_key(session)),
        splits,
    )
