"""Handler for what can be played while a song is separated."""

from __future__ import annotations

from unbraid.api.call import Call
from unbraid.api.schemas.pieces import PieceAnswer, PiecesAnswer, PiecesRequest
from unbraid.jobs.playable import CHUNK_S, piece_links


def pieces(call: Call, request: PiecesRequest) -> PiecesAnswer:
    """List the pieces of the stems that can be played already. There are none once the song is done."""
    session = call.service.get(request.session_id, call.owner)
    playable, sessions = session.playable, call.service.sessions
    if playable is None:
        return PiecesAnswer(session_id=session.id)
    links = piece_links(session, sessions.objects, sessions.limits.link_s, request.first)
    return PiecesAnswer(
        session_id=session.id,
        attempt=playable.attempt,
        stems=list(playable.stems),
        sample_rate=playable.sample_rate,
        chunk_samples=CHUNK_S * playable.sample_rate,
        samples=playable.samples,
        playable_until=playable.seconds,
        pieces=[
            PieceAnswer(
                number=link.piece.number,
                first_chunk=link.piece.first_chunk,
                chunks=link.piece.chunks,
                url=call.base + link.url,
            )
            for link in links
        ],
    )
