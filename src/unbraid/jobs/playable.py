"""Which pieces of a song can be played while it is separated, and links to them. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from unbraid.jobs.ports import Links
from unbraid.jobs.session import Playable, Session

CHUNK_S = 5  # a seek downloads one chunk: at most 0.9 MB
SHORT_PIECES = 4  # of one chunk, so that they come early; all others have two
MOST_LINKS = 100  # in one answer


@dataclass(frozen=True, slots=True)
class Piece:
    """Place of a piece in the song."""

    number: int
    first_chunk: int
    chunks: int


@dataclass(frozen=True, slots=True)
class PieceLink:
    """A piece, with a link that expires."""

    piece: Piece
    url: str


def chunks_of(number: int) -> int:
    """Return how many chunks a piece has. The last one of a song may have one of two."""
    return 1 if number < SHORT_PIECES else 2


def pieces_of(playable: Playable) -> list[Piece]:
    """Return the pieces that are stored."""
    chunks = -(-playable.ready // (CHUNK_S * playable.sample_rate))
    pieces: list[Piece] = []
    start = 0
    while start < chunks:
        pieces.append(Piece(len(pieces), start, min(chunks_of(len(pieces)), chunks - start)))
        start += pieces[-1].chunks
    return pieces


def piece_name(attempt: str, number: int) -> str:
    """Return the file name of a piece."""
    return f"{attempt}-{number}.play"


def piece_links(session: Session, links: Links, link_s: int, first: int = 0) -> list[PieceLink]:
    """Return links to the stored pieces from the number `first` on, at most MOST_LINKS."""
    playable = session.playable
    if playable is None:
        return []
    return [
        PieceLink(
            piece,
            links.download_url(f"outputs/{session.id}/{piece_name(playable.attempt, piece.number)}", link_s),
        )
        for piece in pieces_of(playable)[first : first + MOST_LINKS]
    ]
