"""What is told of a session: how far it is, how long it will take, and links to what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from unbraid.jobs.ports import Links
from unbraid.jobs.session import Output, Session


@dataclass(frozen=True, slots=True)
class FileLink:
    """One file of a session, to be got for as long as links work."""

    type: str
    filename: str
    """Its name in the API: `vocals.wav`."""
    save_as: str
    """What a browser saves it as: `Song - vocals.wav`."""
    key: str
    url: str
    size: int
    duration_s: float
    peaks_url: str | None
    play_url: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """A session and what follows from it now."""

    session: Session
    eta_s: float | None
    queue_position: int | None
    """1: next; None unless it waits."""
    files: tuple[FileLink, ...]
    zip_name: str
    """What all files in one archive are saved as."""


def title(session: Session) -> str:
    """The song's name without its ending."""
    name, dot, _ = session.file_name.rpartition(".")
    return name if dot and name else session.file_name


def status_of(
    session: Session, links: Links, link_s: int, eta_s: float | None, queue_position: int | None
) -> Status:
    """The status, with links that work for `link_s` seconds."""

    def url(key: str | None) -> str | None:
        return None if key is None else links.download_url(key, link_s)

    def link(output: Output) -> FileLink:
        save_as = f"{title(session)} - {output.filename}"
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
        )

    return Status(
        session,
        eta_s,
        queue_position,
        tuple(map(link, session.outputs)),
        f"{title(session)} - stems.zip",
    )
